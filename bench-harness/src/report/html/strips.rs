//! One line a row, one dot a round.

use std::fmt::Write;

use super::{
    super::picture::Strips,
    ink::{self, Marker},
    markup::escape,
    plot::frame,
    scale::Scale,
};

const ROW: f64 = 17.0;
const TOP: f64 = 10.0;
/// Where the axis begins, at least.
const LEFT: f64 = 132.0;
/// Where it ends: a word below its end needs room as well.
const RIGHT: f64 = 374.0;
/// Width of a letter beside the axis, and of one of a name, at most.
const TICK_LETTER: f64 = 6.5;
const NAME_LETTER: f64 = 7.0;

/// Draws `strips` as one SVG with this id.
pub(super) fn draw(strips: &Strips, id: &str, picture: &str) -> String {
    let bottom = TOP + ROW * strips.rows.len() as f64 + 4.0;
    let longest = strips.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let left = LEFT.max(12.0 + NAME_LETTER * longest as f64);
    let scale = Scale::new(strips.axis, left, RIGHT);
    let words = format!(
        "{} of each round on a logarithmic axis, for {}. The figures are in the table below.",
        strips.axis.title,
        strips.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ")
    );
    let mut svg = frame(id, picture, &strips.title, &words, bottom + 40.0);
    let mut free_from = 0.0;
    for (value, word) in scale.ticks(&[]) {
        let place = scale.place(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{place:.1} {TOP}V{bottom:.1}\"/>");
        // A word that would touch the one before it is left out; its line stays.
        let half = word.chars().count() as f64 * TICK_LETTER / 2.0;
        if place - half < free_from {
            continue;
        }
        free_from = place + half + TICK_LETTER;
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{word}</text>",
            bottom + 15.0
        );
    }
    for (number, row) in strips.rows.iter().enumerate() {
        let y = TOP + ROW * (number as f64 + 0.5) + 2.0;
        let (class, _) = ink::of(&row.transport);
        let hollow = if row.open { " hollow" } else { "" };
        let _ = writeln!(
            svg,
            "<text class=\"name {class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <path class=\"range {class}\" d=\"M{:.1} {y:.1}H{:.1}\"/>\
             <path class=\"range {class}\" d=\"M{:.1} {:.1}v8\"/>",
            left - 10.0,
            y + 4.0,
            escape(&row.name),
            scale.place(row.low),
            scale.place(row.high),
            scale.place(row.median),
            y - 4.0
        );
        for value in &row.values {
            let _ = writeln!(
                svg,
                "<path class=\"mark {class}{hollow}\" d=\"{}\"/>",
                Marker::Circle.path(scale.place(*value), y)
            );
        }
    }
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(left, RIGHT),
        bottom + 33.0,
        escape(strips.axis.title)
    );
    svg + "</svg>\n</div>\n"
}
