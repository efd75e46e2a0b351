//! Tables: a header, two spaces between columns, numbers to the right.

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    /// To the left, and cut where the terminal is too narrow for the whole row.
    Cut,
}

/// A table whose cells are text of wharf or escaped text of others.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[(&'static str, Align)]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Returns the lines of the table, as wide as they are.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines_within(None)
    }

    /// Returns the lines of the table for a terminal with so many columns, as far as they can be cut to it.
    pub(crate) fn lines_within(&self, columns: Option<usize>) -> Vec<String> {
        let mut widths: Vec<usize> = self
            .header
            .iter()
            .enumerate()
            .map(|(at, (title, _))| {
                let cells = self.rows.iter().map(|row| row[at].chars().count());
                cells.chain([title.len()]).max().unwrap_or(0)
            })
            .collect();
        self.cut(&mut widths, columns.unwrap_or(usize::MAX));
        let header = self.header.iter().map(|(title, _)| (*title).to_owned()).collect();
        std::iter::once(&header).chain(&self.rows).map(|row| self.line(row, &widths)).collect()
    }

    /// Makes columns narrower that may be cut.
    fn cut(&self, widths: &mut [usize], columns: usize) {
        let whole = widths.iter().sum::<usize>() + BETWEEN.len() * widths.len().saturating_sub(1);
        let mut excess = whole.saturating_sub(columns);
        for ((_, align), width) in self.header.iter().zip(widths) {
            if *align == Align::Cut {
                let less = excess.min(width.saturating_sub(LEAST));
                *width -= less;
                excess -= less;
            }
        }
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells =
            row.iter().zip(widths).zip(&self.header).map(
                |((cell, &width), (_, align))| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                    Align::Cut => format!("{:<width$}", shortened(cell, width)),
                },
            );
        cells.collect::<Vec<_>>().join(BETWEEN).trim_end().to_owned()
    }
}

const BETWEEN: &str = "  ";

/// What remains of a column at least.
const LEAST: usize = 8;

fn shortened(cell: &str, width: usize) -> String {
    match cell.chars().count() > width {
        false => cell.to_owned(),
        true => cell.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table =
            Table::new(&[("NAME", Align::Left), ("SIZE", Align::Right), ("URL", Align::Left)]);
        table.row(["iris", "12", "http://127.0.0.1:8080/"].map(str::to_owned));
        table.row(["a-longer-name", "4096", "-"].map(str::to_owned));
        insta::assert_snapshot!(table.lines().join("\n"), @r"
NAME           SIZE  URL
iris             12  http://127.0.0.1:8080/
a-longer-name  4096  -
");
    }

    #[test]
    fn a_narrow_terminal_gets_what_fits() {
        let mut table =
            Table::new(&[("NAME", Align::Left), ("IMAGE", Align::Cut), ("URL", Align::Left)]);
        table.row(["iris", "wharf/iris:f27df3a181c1", "http://127.0.0.1:8080/"].map(str::to_owned));
        let shown = |columns| table.lines_within(columns)[1].clone();
        assert_eq!(shown(Some(53)), "iris  wharf/iris:f27df3a181c1  http://127.0.0.1:8080/");
        assert_eq!(shown(Some(44)), "iris  wharf/iris:f2…  http://127.0.0.1:8080/");
        assert_eq!(shown(Some(10)), "iris  wharf/i…  http://127.0.0.1:8080/");
        assert_eq!(shown(None), table.lines()[1]);
    }
}
