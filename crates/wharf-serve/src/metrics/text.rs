//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use super::histogram::{BOUNDS, Times};

/// Names of labels and their values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// What a family of samples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// A sum and a count.
    Summary,
}

/// A document in the making.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// One family; its samples follow each other.
#[derive(Debug)]
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Text {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect(TO_MEMORY);
        Family { out: &mut self.0, name }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes a sample of a counter or gauge.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, value);
    }

    /// Writes a histogram.
    pub(super) fn times(&mut self, labels: Labels<'_>, times: &Times) {
        let mut below = 0;
        let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        for (count, bound) in times.counts.iter().zip(bounds) {
            below += count;
            self.line("_bucket", labels, Some(("le", bound)), below as f64);
        }
        self.sum(labels, times.seconds(), times.count());
    }

    /// Writes a summary that has no quantiles.
    pub(super) fn sum(&mut self, labels: Labels<'_>, sum: f64, count: u64) {
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count as f64);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, more: Option<(&str, &str)>, value: f64) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        for (index, (name, value)) in labels.iter().copied().chain(more).enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, self.out);
            self.out.push('"');
        }
        let end = if labels.is_empty() && more.is_none() { "" } else { "}" };
        writeln!(self.out, "{end} {value}").expect(TO_MEMORY);
    }
}

const TO_MEMORY: &str = "writing to memory does not fail";

fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::histogram::Histogram;

    #[test]
    fn samples_are_written_under_their_family() {
        let mut text = Text::default();
        let mut family = text.family("wharf_rows_total", Kind::Counter, "Rows.");
        family.sample(&[], 3.0);
        let mut family = text.family("wharf_ready", Kind::Gauge, "Whether.");
        family.sample(&[("a", "b\\\"\n"), ("c", "")], 0.25);
        let expect = "# HELP wharf_rows_total Rows.\n# TYPE wharf_rows_total counter\n\
            wharf_rows_total 3\n# HELP wharf_ready Whether.\n# TYPE wharf_ready gauge\n\
            wharf_ready{a=\"b\\\\\\\"\\n\",c=\"\"} 0.25\n";
        assert_eq!(text.finish(), expect);
    }

    #[test]
    fn buckets_count_everything_below_them() {
        let histogram = Histogram::default();
        for millis in [0, 2, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = Text::default();
        text.family("t", Kind::Histogram, "T.").times(&[("route", "/")], &histogram.times());
        let text = text.finish();
        for line in [
            "t_bucket{route=\"/\",le=\"0.0001\"} 1\n",
            "t_bucket{route=\"/\",le=\"0.001\"} 1\n",
            "t_bucket{route=\"/\",le=\"0.0025\"} 2\n",
            "t_bucket{route=\"/\",le=\"30\"} 2\n",
            "t_bucket{route=\"/\",le=\"+Inf\"} 3\n",
            "t_sum{route=\"/\"} 60.002\n",
            "t_count{route=\"/\"} 3\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
