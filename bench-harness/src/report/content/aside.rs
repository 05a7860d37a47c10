//! What another placement, or the buffer that a transport has by itself, changes: each such cell beside the one of the
//! main table.

use super::{
    super::{
        record::{Cell, Report},
        text::Grid,
    },
    Block,
};
use crate::{case::Scenario, recommend::figure, report::table, units};

/// The cells of a scenario that ran elsewhere.
pub(super) fn placements(report: &Report, scenario: Scenario) -> Option<Block> {
    let elsewhere = |cell: &&Cell| {
        let main = report.run.placements.first().and_then(|place| place.placement);
        cell.case.scenario == scenario && main.is_some_and(|main| main != cell.case.placement)
    };
    let grid = beside(report, "placement", elsewhere, |cell| cell.case.placement.tag().to_owned());
    let title = "In other places: the same rows in the same run, with the two sides on other CPUs";
    (!grid.is_empty()).then(|| Block::table(title, grid))
}

/// The streams through buffers that nobody asked to be equal.
pub(super) fn buffers(report: &Report) -> Option<Block> {
    let own = |cell: &&Cell| cell.case.scenario == Scenario::Stream && cell.case.buffer.is_none();
    let facts = |cell: &Cell| {
        let facts: Vec<String> =
            cell.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
        facts.join(", ")
    };
    let grid = beside(report, "its buffer", own, facts);
    let title = "With the buffer each has by itself, in place of equal ones";
    (!grid.is_empty()).then(|| Block::table(title, grid))
}

/// A line for each cell that `is` meant, beside the cell of the main table that is the same otherwise.
fn beside(
    report: &Report,
    what: &str,
    is: impl Fn(&&Cell) -> bool,
    how: impl Fn(&Cell) -> String,
) -> Grid {
    let mut grid = Grid::new(["row", "messages", what, "here", "in the main table", "times"]);
    let here: Vec<&Cell> = report.cells.iter().filter(is).collect();
    for row in table::rows(&here) {
        for cell in here.iter().filter(|cell| cell.case.row == *row) {
            let case = &cell.case;
            let same = |other: &&Cell| {
                let (a, b) = (&other.case, case);
                (a.scenario, a.pace, a.size, &a.row) == (b.scenario, b.pace, b.size, &b.row)
                    && report.main(other)
            };
            let main = report.cells.iter().find(same);
            grid.row([
                row.to_string(),
                case.size.to_string(),
                how(cell),
                figure(cell),
                main.map_or_else(|| "–".to_owned(), figure),
                main.map_or_else(
                    || "–".to_owned(),
                    |main| units::significant(cell.value.median / main.value.median),
                ),
            ]);
        }
    }
    grid
}
