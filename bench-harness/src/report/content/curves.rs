//! Panels of curves: one for each way of waiting, all with the same axes, so that no picture puts what sleeps beside what
//! spins.

use super::{
    super::{
        picture::{Axis, Form, Panel, Plot, Point, Series},
        record::Cell,
        table::rows,
    },
    PANELS,
};

/// A curve for each row of `cells`, through the points that `point` makes of its cells.
///
/// Floors of `everywhere` wait for nobody, and are drawn in every panel.
pub(super) fn panels(
    cells: &[&Cell],
    everywhere: &[&Cell],
    x: Axis,
    y: Axis,
    point: impl Fn(&Cell) -> Option<Point>,
) -> Vec<Panel> {
    let curves = |here: &[&Cell]| -> Vec<Series> {
        let series = rows(here).into_iter().map(|row| {
            let of_row = || here.iter().filter(|cell| cell.case.row == *row);
            let floor = of_row().any(|cell| cell.floor);
            let mut points: Vec<Point> = of_row().filter_map(|cell| point(cell)).collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Series {
                name: row.transport.clone(),
                transport: row.transport.clone(),
                form: if floor { Form::Floor } else { Form::Line },
                points,
            }
        });
        series.filter(|series| !series.points.is_empty()).collect()
    };
    PANELS
        .iter()
        .filter_map(|(wait, title)| {
            let here: Vec<&Cell> =
                cells.iter().copied().filter(|cell| cell.case.row.wait == *wait).collect();
            let own = curves(&here);
            if own.is_empty() {
                return None;
            }
            let series = curves(everywhere).into_iter().chain(own).collect();
            Some(Panel::Plot(Plot { title: (*title).to_owned(), x, y, series }))
        })
        .collect()
}
