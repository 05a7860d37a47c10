//! Tables of text with aligned columns.

/// Lines of cells; the first column is aligned to the left, the others, which hold numbers, to the right.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(crate) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![head.into_iter().map(Into::into).collect()] }
    }

    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    pub(crate) fn head(&self) -> &[String] {
        self.rows.first().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn body(&self) -> &[Vec<String>] {
        self.rows.get(1..).unwrap_or_default()
    }

    /// Whether a column holds figures, which are aligned to the right.
    pub(crate) fn is_numeric(&self, column: usize) -> bool {
        let figure = |cell: &str| {
            let bare = cell.trim_start_matches(['~', '✗', '(', ' ']);
            cell.is_empty() || bare == "–" || bare.starts_with(|c: char| c.is_ascii_digit())
        };
        column > 0 && self.body().iter().filter_map(|row| row.get(column)).all(|cell| figure(cell))
    }

    /// For a terminal: columns two spaces apart.
    pub(crate) fn plain(&self) -> String {
        self.aligned(1)
    }

    /// For a terminal, if the second column holds words as well.
    pub(crate) fn labelled(&self) -> String {
        self.aligned(2)
    }

    /// For a terminal, if no column holds numbers.
    pub(crate) fn words(&self) -> String {
        self.aligned(usize::MAX)
    }

    /// The first `left` columns aligned to the left, the others to the right.
    fn aligned(&self, left: usize) -> String {
        let widths = self.widths();
        let lines = self.rows.iter().map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| pad(cell, *width, column < left));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        });
        lines.collect()
    }

    /// For Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            text += &format!("| {} |\n", cells.join(" | "));
            if number == 0 {
                let rule = |column| if self.is_numeric(column) { "---:|" } else { "---|" };
                text += &format!("|{}\n", (0..row.len()).map(rule).collect::<String>());
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        (0..columns)
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect()
    }
}

fn pad(cell: &str, width: usize, left: bool) -> String {
    let room = " ".repeat(width.saturating_sub(cell.chars().count()));
    if left { format!("{cell}{room}") } else { format!("{room}{cell}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_figures_is_told_from_one_of_words() {
        let mut grid = Grid::new(["row", "64 B", "what it is"]);
        grid.row(["unix", "~5 µs", "Unix socket"]);
        grid.row(["pipe", "–", "2 pipes"]);
        assert!(!grid.is_numeric(0) && grid.is_numeric(1) && !grid.is_numeric(2));
        assert!(grid.markdown().contains("|---|---:|---|"));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut grid = Grid::new(["row", "64 B"]);
        grid.row(["unix/block", "5 µs"]);
        assert_eq!(grid.plain(), "row         64 B\nunix/block  5 µs\n");
        assert_eq!(grid.markdown(), "| row | 64 B |\n|---|---:|\n| unix/block | 5 µs |\n");
    }
}
