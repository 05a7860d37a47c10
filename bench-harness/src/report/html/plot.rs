//! Curves, bands and named points over two logarithmic axes.

use std::fmt::Write;

use super::{
    super::picture::{Form, Plot, Series, Unit},
    ink,
    markup::escape,
    scale::Scale,
};

/// The size of a panel in the units of its drawing; a page shows it at about this many pixels.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 310.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = HEIGHT - 42.0;
const LEFT: f64 = 60.0;
/// How far apart two names stand, and how wide a letter of one is at the size of the style sheet.
const LINE: f64 = 13.0;
const LETTER: f64 = 7.0;

/// Draws `plot` as one SVG with this id.
pub(super) fn draw(plot: &Plot, id: &str, picture: &str) -> String {
    let named = plot.series.iter().any(|series| matches!(series.form, Form::Line | Form::Floor));
    let longest =
        plot.series.iter().map(|series| series.name.chars().count()).max().unwrap_or(0) as f64;
    let right = if named { WIDTH - longest * LETTER - 16.0 } else { WIDTH - 14.0 };
    let x = Scale::new(plot.x, LEFT, right);
    let y = Scale::new(plot.y, BOTTOM, TOP);
    let mut svg = frame(id, picture, &plot.title, &words(plot), HEIGHT);
    let used: Vec<f64> =
        plot.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
    svg += &axes(plot, &x, &y, &used, right);
    for series in &plot.series {
        svg += &band(series, &x, &y);
    }
    for series in &plot.series {
        svg += &line(series, &x, &y);
    }
    svg += &if named { end_names(plot, &x, &y, right) } else { free_names(plot, &x, &y, right) };
    svg + "</svg>\n</div>\n"
}

/// The beginning of a drawing: its title for the eye, and its words for whoever does not see it.
pub(super) fn frame(id: &str, picture: &str, title: &str, words: &str, height: f64) -> String {
    format!(
        "<div class=\"panel\">\n<p class=\"panel-title\" aria-hidden=\"true\">{0}</p>\n\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
         <title id=\"{id}-t\">{1}: {0}</title>\n<desc id=\"{id}-d\">{2}</desc>\n",
        escape(title),
        escape(picture),
        escape(words)
    )
}

/// What a screen reader says of the panel; the figures are in the table below.
fn words(plot: &Plot) -> String {
    let names: Vec<&str> = plot
        .series
        .iter()
        .map(|series| series.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    format!(
        "{} against {}, both axes logarithmic, for {}. The figures are in the table below.",
        plot.y.title,
        plot.x.title,
        names.join(", ")
    )
}

fn axes(plot: &Plot, x: &Scale, y: &Scale, used: &[f64], right: f64) -> String {
    let mut svg = String::new();
    for (value, word) in y.ticks(&[]) {
        let place = y.place(value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{right:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{word}</text>",
            LEFT - 6.0,
            place + 4.0
        );
    }
    let mut free = f64::NEG_INFINITY;
    for (value, word) in x.ticks(used) {
        let place = x.place(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{place:.1} {TOP}V{BOTTOM}\"/>");
        let half = word.chars().count() as f64 * LETTER / 2.0;
        // A figure that would touch the one before it is left out; its line stays.
        if place - half > free {
            free = place + half + 4.0;
            let _ = writeln!(
                svg,
                "<text class=\"tick\" x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{word}</text>",
                BOTTOM + 16.0
            );
        }
    }
    let better = match plot.y.unit {
        Unit::Nanos => "lower is better",
        _ => "higher is better",
    };
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"axis\" x=\"0\" y=\"11\">{}, {better}</text>",
        f64::midpoint(LEFT, right),
        HEIGHT - 8.0,
        escape(plot.x.title),
        escape(plot.y.title)
    );
    svg
}

/// The area between each point and its `high`, over each stretch of points that have one.
fn band(series: &Series, x: &Scale, y: &Scale) -> String {
    let (class, _) = ink::of(&series.transport);
    let mut svg = String::new();
    for stretch in series.points.split(|point| point.high.is_none()) {
        if stretch.len() < 2 || series.form != Form::Line {
            continue;
        }
        let lower = stretch.iter().map(|point| (point.x, point.y));
        let upper = stretch.iter().rev().filter_map(|point| Some((point.x, point.high?)));
        let path: Vec<String> = lower
            .chain(upper)
            .map(|(a, b)| format!("{:.1} {:.1}", x.place(a), y.place(b)))
            .collect();
        let _ = writeln!(svg, "<path class=\"band {class}\" d=\"M{}Z\"/>", path.join("L"));
    }
    svg
}

fn line(series: &Series, x: &Scale, y: &Scale) -> String {
    let (class, marker) = ink::of(&series.transport);
    let mut svg = String::new();
    if series.form != Form::Dots && series.points.len() > 1 {
        let path: Vec<String> = series
            .points
            .iter()
            .map(|point| format!("{:.1} {:.1}", x.place(point.x), y.place(point.y)))
            .collect();
        let kind = if series.form == Form::Edge { "edge" } else { class };
        let _ = writeln!(svg, "<path class=\"line {kind}\" d=\"M{}\"/>", path.join("L"));
    }
    if series.form != Form::Edge {
        for point in &series.points {
            let hollow = if point.open { " hollow" } else { "" };
            let _ = writeln!(
                svg,
                "<path class=\"mark {class}{hollow}\" d=\"{}\"><title>{}</title></path>",
                marker.path(x.place(point.x), y.place(point.y)),
                escape(&point.note)
            );
        }
    }
    svg
}

/// The names of the lines in a column at their ends, pushed apart where they would touch.
fn end_names(plot: &Plot, x: &Scale, y: &Scale, right: f64) -> String {
    let mut names: Vec<(&Series, f64, f64)> = plot
        .series
        .iter()
        .filter_map(|series| {
            let last = series.points.last()?;
            Some((series, x.place(last.x), y.place(last.y)))
        })
        .collect();
    names.sort_by(|a, b| a.2.total_cmp(&b.2));
    let wanted: Vec<f64> = names.iter().map(|(_, _, y)| *y).collect();
    let places = spread(&wanted, LINE, TOP, BOTTOM);
    let mut svg = String::new();
    for ((series, from_x, from_y), place) in names.into_iter().zip(places) {
        let (class, _) = ink::of(&series.transport);
        let _ = writeln!(
            svg,
            "<path class=\"lead {class}\" d=\"M{:.1} {from_y:.1}L{:.1} {place:.1}\"/>\
             <text class=\"name {class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            from_x + 5.0,
            right + 7.0,
            right + 9.0,
            place + 4.0,
            escape(&series.name)
        );
    }
    svg
}

/// `wanted`, which ascends, moved as little as it takes for neighbours to be `apart`, within `low` and `high` if they fit.
fn spread(wanted: &[f64], apart: f64, low: f64, high: f64) -> Vec<f64> {
    // Groups that touch stand around the mean of what their members want: where the first member of each wants to be,
    // and how many they are.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for want in wanted {
        let mut group = (*want, 1);
        while let Some((first, count)) = groups.last().copied() {
            if first + count as f64 * apart <= group.0 {
                break;
            }
            let (size, before) = (group.1 as f64, count as f64);
            // What the first of the joined group wants, on average over all of its members.
            let joined = (first * before + (group.0 - before * apart) * size) / (before + size);
            group = (joined, count + group.1);
            groups.pop();
        }
        groups.push(group);
    }
    let mut places: Vec<f64> = groups
        .iter()
        .flat_map(|(first, count)| (0..*count).map(move |index| first + index as f64 * apart))
        .collect();
    let mut least = low;
    for place in &mut places {
        *place = place.max(least);
        least = *place + apart;
    }
    let mut most = high;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - apart;
    }
    places
}

#[derive(Clone, Copy, Debug)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// The names of single points, each at the nearest free place around its point, with a line where that is far.
fn free_names(plot: &Plot, x: &Scale, y: &Scale, right: f64) -> String {
    let mut svg = String::new();
    let mut points: Vec<(&Series, f64, f64)> = plot
        .series
        .iter()
        .filter(|series| series.form == Form::Dots)
        .filter_map(|series| {
            let point = series.points.first()?;
            Some((series, x.place(point.x), y.place(point.y)))
        })
        .collect();
    // Who stands alone is named first, close by; a crowd needs room around it anyway.
    let places: Vec<(f64, f64)> = points.iter().map(|(_, x, y)| (*x, *y)).collect();
    let crowd = |x: f64, y: f64| {
        places.iter().filter(|(a, b)| (a - x).abs() < 70.0 && (b - y).abs() < 25.0).count()
    };
    points.sort_by_key(|(_, x, y)| crowd(*x, *y));
    let mut taken: Vec<Area> = points
        .iter()
        .map(|(_, x, y)| Area { left: x - 5.0, top: y - 5.0, right: x + 5.0, bottom: y + 5.0 })
        .collect();
    for (series, x, y) in points {
        let width = series.name.chars().count() as f64 * LETTER;
        let Some((area, far)) = nearest_free(x, y, width, right, &taken) else { continue };
        taken.push(area);
        let (class, _) = ink::of(&series.transport);
        if far {
            // To the nearest point of the name's edge.
            let (to_x, to_y) =
                (x.clamp(area.left, area.right), y.clamp(area.top + 2.0, area.bottom - 2.0));
            let _ = writeln!(
                svg,
                "<path class=\"lead {class}\" d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"name {class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            area.left,
            area.bottom - 3.0,
            escape(&series.name)
        );
    }
    svg
}

/// The free place for a name of this width nearest to a point, and whether it needs a line to the point.
fn nearest_free(x: f64, y: f64, width: f64, right: f64, taken: &[Area]) -> Option<(Area, bool)> {
    const TURNS: usize = 16;
    (0..14).find_map(|ring| {
        let distance = 7.0 + 9.0 * f64::from(ring);
        (0..TURNS).find_map(|turn| {
            let angle = std::f64::consts::TAU * turn as f64 / TURNS as f64;
            let (dx, dy) = (angle.cos(), angle.sin());
            // The side of the name that faces the point lies at the distance.
            let left = x + dx * distance - width * (1.0 - dx) / 2.0;
            let top = y + dy * distance - LINE * (1.0 - dy) / 2.0;
            let area = Area { left, top, right: left + width, bottom: top + LINE };
            let inside = area.left >= LEFT + 2.0
                && area.right <= right
                && area.top >= TOP - 10.0
                && area.bottom <= BOTTOM;
            (inside && !taken.iter().any(|other| other.meets(&area))).then_some((area, ring > 0))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_touch_are_pushed_apart_and_stay_inside() {
        let places = spread(&[10.0, 11.0, 12.0, 95.0, 99.0], 10.0, 5.0, 100.0);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 10.0 - 1e-9), "{places:?}");
        assert!(places[0] >= 5.0 && places[4] <= 100.0, "{places:?}");
        assert_eq!(spread(&[20.0, 60.0], 10.0, 0.0, 100.0), [20.0, 60.0]);
        assert_eq!(spread(&[50.0, 50.0, 50.0], 10.0, 0.0, 100.0), [40.0, 50.0, 60.0]);
    }

    #[test]
    fn no_name_of_a_crowd_of_points_covers_another() {
        let mut taken: Vec<Area> = Vec::new();
        for index in 0..16 {
            let (x, y) = (200.0 + f64::from(index % 4) * 4.0, 150.0 + f64::from(index / 4) * 3.0);
            let (area, _) = nearest_free(x, y, 80.0, 386.0, &taken).unwrap();
            assert!(!taken.iter().any(|other| other.meets(&area)));
            taken.push(area);
        }
    }
}
