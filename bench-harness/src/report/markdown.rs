//! `REPORT.md`: the whole report for people, from the answer down to how to repeat it.

use super::{
    content::{self, Block},
    record::Report,
    text::Grid,
};

/// Renders `report`.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!("# {}\n\n{}\n", content::title(report), content::subtitle(report));
    for (number, section) in content::sections(report).iter().enumerate() {
        text += &format!("\n## {}. {}\n", number + 1, section.title);
        for block in &section.blocks {
            text += &format!("\n{}\n", self::block(block).trim_end());
        }
    }
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Text(text) => text.clone(),
        Block::List(lines) => lines.iter().map(|line| format!("* {line}\n")).collect(),
        Block::Warnings(lines) => lines.iter().map(|line| format!("* ⚠ {line}\n")).collect(),
        Block::Table { title, grid } => format!("{title}:\n\n{}", grid.markdown()),
        Block::Folded { title, grid } => folded(title, grid),
        Block::Picture(picture) if picture.folded => folded(&picture.title, &picture.table),
        Block::Picture(picture) => {
            format!("{} (drawn in `report.html`):\n\n{}", picture.title, picture.table.markdown())
        }
        Block::Commands(lines) => format!("```sh\n{}\n```", lines.join("\n")),
    }
}

fn folded(title: &str, grid: &Grid) -> String {
    format!("<details><summary>{title}</summary>\n\n{}\n</details>\n", grid.markdown())
}
