//! What a run leaves behind. Everything here is made from the [`record`](record::Report) alone, so that an old
//! `report.json` can be rendered again; nothing here knows how a run is carried out.

pub(crate) mod cells;
mod content;
pub(crate) mod html;
pub(crate) mod markdown;
mod picture;
pub(crate) mod record;
pub(crate) mod table;
pub(crate) mod text;
