//! What a table is made of: columns, rows with their tone, and which columns go where there is no
//! room for all.

use std::borrow::Cow;

use pgweir_telemetry::live::PoolColumn;
use ratatui::layout::Constraint;

/// How a row is to be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Warning,
    Error,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    /// Characters; with `grows` the least.
    width: u16,
    grows: bool,
    pub(crate) is_right: bool,
    /// Where there is no room for all, the columns of the highest rank go first; those of 0 stay.
    rank: u8,
}

/// Characters of a figure that the pooler lists: what a time takes, and at most.
const FIGURE_WIDTH_MIN: u16 = 7;
const FIGURE_WIDTH_MAX: u16 = 20;

/// Characters between columns.
pub(crate) const SPACING: u16 = 2;

/// A table to draw.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<(Tone, Vec<String>)>,
    /// The row that is chosen.
    pub(crate) chosen: Option<usize>,
    /// What is said if there is no row.
    pub(crate) nothing: String,
}

impl Column {
    pub(crate) fn constraint(&self) -> Constraint {
        if self.grows {
            Constraint::Fill(1)
        } else {
            Constraint::Length(self.width)
        }
    }
}

impl Grid {
    /// Leaves out the columns that have no room in this width.
    pub(crate) fn fit(&mut self, width: u16) {
        loop {
            let widths: u16 = self
                .columns
                .iter()
                .map(|column| column.width + SPACING)
                .sum();
            if widths <= width + SPACING {
                return;
            }
            let ranks = self.columns.iter().map(|column| column.rank).enumerate();
            let Some((index, 1..)) = ranks.max_by_key(|(_, rank)| *rank) else {
                return;
            };
            self.columns.remove(index);
            for (_, cells) in &mut self.rows {
                cells.remove(index);
            }
        }
    }
}

/// A column whose texts begin at the left.
pub(super) fn left(rank: u8, name: &'static str, width: u16) -> Column {
    Column {
        name: Cow::Borrowed(name),
        width,
        grows: false,
        is_right: false,
        rank,
    }
}

/// A column of a figure that the pooler lists.
pub(super) fn figure(column: &PoolColumn) -> Column {
    let len = u16::try_from(column.label.chars().count()).unwrap_or(u16::MAX);
    Column {
        name: column.label.clone().into(),
        ..right(
            column.rank,
            "",
            len.clamp(FIGURE_WIDTH_MIN, FIGURE_WIDTH_MAX),
        )
    }
}

/// A column of numbers.
pub(super) fn right(rank: u8, name: &'static str, width: u16) -> Column {
    Column {
        is_right: true,
        ..left(rank, name, width)
    }
}

/// Takes what is left of the width.
pub(super) fn rest(rank: u8, name: &'static str, width: u16) -> Column {
    Column {
        grows: true,
        ..left(rank, name, width)
    }
}
