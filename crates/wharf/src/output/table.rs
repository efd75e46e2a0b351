//! Tables: a header, two spaces between columns, numbers to the right.

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
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

    /// Returns the lines of the table.
    pub(crate) fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = self
            .header
            .iter()
            .enumerate()
            .map(|(at, (title, _))| {
                let cells = self.rows.iter().map(|row| row[at].chars().count());
                cells.chain([title.len()]).max().unwrap_or(0)
            })
            .collect();
        let header = self.header.iter().map(|(title, _)| (*title).to_owned()).collect();
        std::iter::once(&header).chain(&self.rows).map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells =
            row.iter().zip(widths).zip(&self.header).map(
                |((cell, width), (_, align))| match align {
                    Align::Left => format!("{cell:<width$}"),
                    Align::Right => format!("{cell:>width$}"),
                },
            );
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
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
}
