use super::{Described, Format, row};
use crate::rows::Cell;
use crate::table::ColumnType;

/// The bytes of one value, without their length; `None` is NULL.
fn sent(cell: Cell, kind: ColumnType, format: Format) -> Option<Vec<u8>> {
    let name = "x".to_owned();
    let mut out = Vec::new();
    row(
        &mut out,
        &[Described { name, kind }],
        &[format],
        &vec![cell],
    );
    // The type, the length, the count of columns.
    let value = &out[7..];
    match i32::from_be_bytes(value[..4].try_into().unwrap()) {
        -1 => None,
        len => {
            assert_eq!(value.len(), 4 + usize::try_from(len).unwrap());
            Some(value[4..].to_vec())
        }
    }
}

#[test]
fn values_have_the_forms_of_their_types() {
    let number = Cell::Number;
    for (cell, kind, text, binary) in [
        (number(7), ColumnType::Int4, "7", &[0, 0, 0, 7][..]),
        (number(-7), ColumnType::Int4, "-7", &[255, 255, 255, 249]),
        (
            number(i64::MAX),
            ColumnType::Int4,
            "2147483647",
            &[127, 255, 255, 255],
        ),
        (number(7), ColumnType::Int8, "7", &[0, 0, 0, 0, 0, 0, 0, 7]),
        (
            number(0),
            ColumnType::Numeric,
            "0",
            &[0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            number(1),
            ColumnType::Numeric,
            "1",
            &[0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        ),
        (
            number(120_003),
            ColumnType::Numeric,
            "120003",
            &[0, 2, 0, 1, 0, 0, 0, 0, 0, 12, 0, 3],
        ),
        (
            number(-10_000),
            ColumnType::Numeric,
            "-10000",
            &[0, 2, 0, 1, 0x40, 0, 0, 0, 0, 1, 0, 0],
        ),
        (number(1), ColumnType::Bool, "t", &[1]),
        (number(0), ColumnType::Bool, "f", &[0]),
        (Cell::from("a\0b"), ColumnType::Text, "ab", b"ab"),
        (number(5), ColumnType::Text, "5", b"5"),
    ] {
        let as_text = sent(cell.clone(), kind, Format::Text);
        assert_eq!(
            as_text.as_deref(),
            Some(text.as_bytes()),
            "{cell:?} {kind:?}"
        );
        let as_binary = sent(cell.clone(), kind, Format::Binary);
        assert_eq!(as_binary.as_deref(), Some(binary), "{cell:?} {kind:?}");
    }
    for format in [Format::Text, Format::Binary] {
        assert_eq!(sent(Cell::Null, ColumnType::Int4, format), None);
    }
}
