//! Rows as messages.

use pgweir_wire::{backend, encode};

use crate::rows::{Cell, Row};
use crate::table::{Column, ColumnType};

/// How the values of a column are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

impl Format {
    fn number(self) -> u16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// A column as it is described: its name may be one that the client chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
}

impl From<&Column> for Described {
    fn from(column: &Column) -> Self {
        Self {
            name: column.name.to_owned(),
            kind: column.kind,
        }
    }
}

/// Says what columns follow. `formats` are none for text throughout, one for all, or one for each.
pub(crate) fn description(out: &mut Vec<u8>, columns: &[Described], formats: &[Format]) {
    encode::message(out, backend::ROW_DESCRIPTION, |out| {
        out.extend_from_slice(&count(columns.len()));
        for (at, column) in columns.iter().enumerate() {
            out.extend(column.name.bytes().filter(|byte| *byte != 0));
            out.push(0);
            // Of no table, and no column of one.
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(&column.kind.oid().to_be_bytes());
            out.extend_from_slice(&column.kind.width().to_be_bytes());
            out.extend_from_slice(&(-1i32).to_be_bytes());
            out.extend_from_slice(&format(formats, at).number().to_be_bytes());
        }
    });
}

/// One row.
pub(crate) fn row(out: &mut Vec<u8>, columns: &[Described], formats: &[Format], row: &Row) {
    assert_eq!(row.len(), columns.len(), "a row has its table's columns");
    encode::message(out, backend::DATA_ROW, |out| {
        out.extend_from_slice(&count(row.len()));
        for (at, (cell, column)) in row.iter().zip(columns).enumerate() {
            value(out, cell, column.kind, format(formats, at));
        }
    });
}

fn value(out: &mut Vec<u8>, cell: &Cell, kind: ColumnType, format: Format) {
    let at = out.len();
    out.extend_from_slice(&(-1i32).to_be_bytes());
    match (cell, kind, format) {
        (Cell::Null, _, _) => return,
        (Cell::Number(number), ColumnType::Int4, Format::Binary) => {
            out.extend_from_slice(&clamped(*number).to_be_bytes());
        }
        (Cell::Number(number), ColumnType::Int8, Format::Binary) => {
            out.extend_from_slice(&number.to_be_bytes());
        }
        (Cell::Number(number), ColumnType::Numeric, Format::Binary) => numeric(out, *number),
        (Cell::Number(number), ColumnType::Int4, Format::Text) => {
            out.extend_from_slice(clamped(*number).to_string().as_bytes());
        }
        (Cell::Number(number), ColumnType::Bool, Format::Text) => {
            out.push(if *number == 0 { b'f' } else { b't' });
        }
        (Cell::Number(number), ColumnType::Bool, Format::Binary) => {
            out.push(u8::from(*number != 0))
        }
        // The binary form of a text is the text. PostgreSQL's texts have no NUL.
        (cell, _, _) => {
            let text = cell.text().unwrap_or_default();
            out.extend(text.bytes().filter(|byte| *byte != 0));
        }
    }
    let len = i32::try_from(out.len() - at - 4).expect("texts are short");
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

/// A number as `int4` can have it.
fn clamped(number: i64) -> i32 {
    let clamped = number.clamp(i32::MIN.into(), i32::MAX.into());
    i32::try_from(clamped).expect("clamped")
}

/// A whole number in the binary form of `numeric`: digits to the base of 10,000, the first one's weight, the sign
/// and no decimals.
fn numeric(out: &mut Vec<u8>, number: i64) {
    const BASE: u64 = 10_000;
    let mut digits = Vec::new();
    let mut rest = number.unsigned_abs();
    while rest > 0 {
        digits.push(u16::try_from(rest % BASE).expect("below the base"));
        rest /= BASE;
    }
    let weight = u16::try_from(digits.len().saturating_sub(1)).expect("at most five digits");
    let sign: u16 = if number < 0 { 0x4000 } else { 0 };
    out.extend_from_slice(&count(digits.len()));
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// The format of a column.
fn format(formats: &[Format], at: usize) -> Format {
    match formats {
        [] => Format::Text,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(Format::Text),
    }
}

/// Says that a command is done, and which.
pub(crate) fn complete(out: &mut Vec<u8>, tag: &str) {
    encode::message(out, backend::COMMAND_COMPLETE, |out| {
        out.extend_from_slice(tag.as_bytes());
        out.push(0);
    });
}

fn count(count: usize) -> [u8; 2] {
    u16::try_from(count).expect("few columns").to_be_bytes()
}

#[cfg(test)]
mod tests;
