//! `report.html`: the whole report in one file that needs no network, no script and no other file.
//!
//! The pictures are inline SVG in the colours of the style sheet, so they follow the reader's light or dark scheme and
//! the printer's paper. Each has its figures in a table right below, and says in words what it shows.

mod ink;
mod markup;
mod names;
mod plot;
mod scale;
mod strips;

use self::markup::{escape, inline};
use super::{
    content::{self, Block, Section},
    picture::{Panel, Picture},
    record::Report,
    text::Grid,
};

const STYLE: &str = include_str!("style.css");
/// Nothing may be loaded and nothing may run, whatever the names in a report hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Renders `report`.
pub(crate) fn render(report: &Report) -> String {
    let sections = content::sections(report);
    let title = escape(&content::title(report));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#answer\">Skip to the answer</a>\n\
         <header>\n<h1>{title}</h1>\n<p>{}</p>\n</header>\n",
        escape(&content::subtitle(report))
    );
    page += &contents(&sections);
    page += "<main>\n";
    let mut tables = 0;
    for (number, section) in sections.iter().enumerate() {
        page += &format!(
            "<section id=\"{}\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{}. {}</h2>\n",
            section.id,
            number + 1,
            escape(section.title)
        );
        for block in &section.blocks {
            page += &self::block(block, &mut tables);
        }
        page += "</section>\n";
    }
    page + "</main>\n</body>\n</html>\n"
}

fn contents(sections: &[Section]) -> String {
    let items: String = sections
        .iter()
        .map(|section| {
            format!("<li><a href=\"#{}\">{}</a></li>\n", section.id, escape(section.title))
        })
        .collect();
    format!("<nav aria-label=\"Sections\">\n<ol>\n{items}</ol>\n</nav>\n")
}

fn block(block: &Block, tables: &mut usize) -> String {
    let list = |class: &str, lines: &[String]| {
        let items: String =
            lines.iter().map(|line| format!("<li>{}</li>\n", inline(line))).collect();
        format!("<ul{class}>\n{items}</ul>\n")
    };
    match block {
        Block::Text(text) => format!("<p>{}</p>\n", inline(text)),
        Block::List(lines) => list("", lines),
        Block::Warnings(lines) => list(" class=\"warnings\"", lines),
        Block::Table { title, grid } => table(title, grid, tables),
        Block::Folded { title, grid } => folded(title, title, grid, tables),
        Block::Picture(picture) => figure(picture, tables),
        Block::Commands(lines) => format!(
            "<pre tabindex=\"0\" aria-label=\"Commands\"><code>{}</code></pre>\n",
            escape(&lines.join("\n"))
        ),
    }
}

fn folded(summary: &str, title: &str, grid: &Grid, tables: &mut usize) -> String {
    format!(
        "<details>\n<summary>{}</summary>\n{}</details>\n",
        escape(summary),
        table(title, grid, tables)
    )
}

fn figure(picture: &Picture, tables: &mut usize) -> String {
    let figure = drawn(picture, tables);
    if !picture.folded {
        return figure;
    }
    let summary = escape(&picture.title);
    format!("<details class=\"more\">\n<summary>{summary}</summary>\n{figure}</details>\n")
}

fn drawn(picture: &Picture, tables: &mut usize) -> String {
    let id = picture.id;
    let mut text = format!(
        "<figure id=\"{id}\">\n<figcaption><h3>{}</h3><p>{}</p></figcaption>\n<div class=\"panels{}\">\n",
        escape(&picture.title),
        inline(&picture.reading),
        // Four stand better in two lines of two than in one of three and one of one.
        if picture.panels.len() == 4 { " pairs" } else { "" }
    );
    for (number, panel) in picture.panels.iter().enumerate() {
        let name = format!("{id}-{}", number + 1);
        text += &match panel {
            Panel::Plot(plot) => plot::draw(plot, &name, &picture.title),
            Panel::Strips(strips) => strips::draw(strips, &name, &picture.title),
        };
    }
    text += "</div>\n";
    text += &folded("The figures of this picture", &picture.title, &picture.table, tables);
    text + "</figure>\n"
}

/// A table that scrolls sideways by itself where it does not fit, with the keyboard too.
fn table(title: &str, grid: &Grid, tables: &mut usize) -> String {
    *tables += 1;
    let class = |column: usize| if grid.is_numeric(column) { " class=\"figure\"" } else { "" };
    let head: String = grid
        .head()
        .iter()
        .enumerate()
        .map(|(column, cell)| format!("<th scope=\"col\"{}>{}</th>", class(column), inline(cell)))
        .collect();
    let body: String = grid
        .body()
        .iter()
        .map(|row| {
            let cells: String = row
                .iter()
                .enumerate()
                .map(|(column, cell)| match column {
                    0 => format!("<th scope=\"row\">{}</th>", inline(cell)),
                    _ => format!("<td{}>{}</td>", class(column), inline(cell)),
                })
                .collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    format!(
        "<p class=\"caption\" id=\"table-{tables}\">{}</p>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"table-{tables}\" tabindex=\"0\">\n\
         <table aria-labelledby=\"table-{tables}\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n",
        inline(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        recommend,
        report::record::tests::{cell, report},
    };

    fn page() -> String {
        let mut cells = vec![
            cell("pingpong pipe/block", &[50_000.0, 51_000.0, 52_000.0]),
            cell("pingpong ring/block", &[49_000.0, 50_000.0, 51_000.0]),
            cell("pingpong ring/spin", &[200.0, 210.0, 190.0]),
            cell("pingpong flag/spin", &[180.0, 185.0, 190.0]),
            cell("stream ring/adaptive", &[3e9, 3.1e9, 2.9e9]),
            cell("stream memcpy/spin", &[30e9, 31e9, 29e9]),
        ];
        for cell in &mut cells {
            cell.histogram = vec![(cell.value.median as u64, 50_000)];
            cell.percentiles.p99 = Some(cell.value.median as u64 * 2);
        }
        let mut report = report(cells);
        report.host.cpu = Some("<script>alert(1)</script> & \"Co\"".to_owned());
        report.warnings = vec!["`pipe/block`: **a** < b".to_owned()];
        report.advice = recommend::advise(&report);
        render(&report)
    }

    /// Ends at the first tag that does not close what is open, as a browser would silently repair it.
    fn check_nesting(page: &str) -> Result<(), String> {
        let mut open: Vec<&str> = Vec::new();
        let body = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
        let (before, rest) = body.split_once("<style>").ok_or("no style")?;
        let (_, after) = rest.split_once("</style>").ok_or("the style does not end")?;
        for part in [before, after] {
            for tag in part.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').ok_or_else(|| format!("<{tag} does not end"))?;
                if let Some(name) = tag.strip_prefix('/') {
                    let last = open.pop();
                    if last != Some(name) {
                        return Err(format!("</{name}> closes {last:?}"));
                    }
                } else if !tag.ends_with('/') {
                    open.push(tag.split_whitespace().next().unwrap_or_default());
                }
            }
        }
        if open.is_empty() { Ok(()) } else { Err(format!("{open:?} stay open")) }
    }

    #[test]
    fn every_tag_is_closed_where_it_belongs() {
        assert_eq!(check_nesting(&page()), Ok(()));
        assert!(check_nesting("<!DOCTYPE html><style></style><p><b></p></b>").is_err());
    }

    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = page();
        for forbidden in ["<script", "src=", "url(", "@import", "http:", "https:", " on"] {
            // `http-equiv` names no address.
            let found = page.match_indices(forbidden).map(|(at, _)| &page[at..at + 40]);
            let bad: Vec<&str> =
                found.filter(|text| forbidden != " on" || is_handler(text)).collect();
            assert!(bad.is_empty(), "{forbidden}: {bad:?}");
        }
    }

    fn is_handler(text: &str) -> bool {
        let name: String = text[1..].chars().take_while(char::is_ascii_alphabetic).collect();
        text[1 + name.len()..].starts_with("=\"")
    }

    #[test]
    fn what_a_report_holds_is_text_and_never_markup() {
        let page = page();
        assert!(page.contains("&lt;script&gt;alert(1)"), "the name of the CPU is not escaped");
        assert!(page.contains("<code>pipe/block</code>: <strong>a</strong> &lt; b"));
    }

    #[test]
    fn every_picture_has_its_table_and_says_in_words_what_it_shows() {
        let page = page();
        let figures: Vec<&str> = page.split("<figure ").skip(1).collect();
        assert!(figures.len() >= 4, "{}", figures.len());
        for figure in figures {
            let figure = figure.split("</figure>").next().unwrap();
            assert!(figure.contains("<table "), "{}", &figure[..80]);
            for svg in figure.split("<svg").skip(1) {
                assert!(
                    svg.contains("role=\"img\"") && svg.contains("<title") && svg.contains("<desc")
                );
            }
        }
    }

    #[test]
    fn every_address_within_the_page_exists_and_none_twice() {
        let page = page();
        let ids: Vec<&str> =
            page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.contains(&target), "{target}");
        }
        for list in
            page.split("aria-labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next())
        {
            assert!(list.split(' ').all(|id| ids.contains(&id)), "{list}");
        }
    }
}
