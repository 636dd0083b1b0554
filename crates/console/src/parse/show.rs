//! `SHOW`: which table, and what of it.

use pgweir_settings::nearest;
use pgweir_sql::lexer::TokenKind;

use super::{beginning, driver};
use crate::command::Command;
use crate::problem::Problem;
use crate::query::{CONDITIONS_MAX, Comparison, Condition, Query, Sort};
use crate::table::Table;
use crate::words::Words;

const USAGE: &str =
    "SHOW table [WHERE column = value [AND ...]] [ORDER BY column [DESC], ...] [LIMIT n]";

/// What stands behind `SHOW`, or behind a `SELECT` that asks for the same.
pub(super) fn show(words: &mut Words<'_>, text: &str) -> Result<Command, Problem> {
    if words.is_over() {
        return Ok(Command::Help);
    }
    if let Some(setting) = driver::shown(&mut words.clone()) {
        return Ok(setting);
    }
    let invalid = |usage| Problem::Invalid {
        text: beginning(text),
        usage,
    };
    let name = words.name().ok_or_else(|| invalid(Some(USAGE)))?;
    if name.eq_ignore_ascii_case("help") && words.is_over() {
        return Ok(Command::Help);
    }
    let Some(table) = Table::find(&name) else {
        if !text.trim_start().to_ascii_lowercase().starts_with("show") {
            // A query for PostgreSQL, as a rule.
            return Err(invalid(None));
        }
        let known = Table::ALL.into_iter().map(Table::word);
        let nearest = nearest(&name, known);
        let name = beginning(&name);
        return Err(Problem::NoSuchTable { name, nearest });
    };
    let query = query(table, words)?.filter(|_| words.is_over());
    let query = query.ok_or_else(|| invalid(Some(USAGE)))?;
    Ok(Command::Show(query))
}

/// What is wanted of a table; `None` where that cannot be read.
fn query(table: Table, words: &mut Words<'_>) -> Result<Option<Query>, Problem> {
    let mut query = Query::all(table);
    if words.is("where") {
        loop {
            let Some(condition) = condition(table, words)? else {
                return Ok(None);
            };
            query.conditions.push(condition);
            bounded("conditions", query.conditions.len())?;
            if !words.is("and") {
                break;
            }
        }
    }
    if words.are(&["order", "by"]) {
        loop {
            let Some(name) = words.name() else {
                return Ok(None);
            };
            let column = column(table, &name)?;
            let descending = words.is("desc") || {
                words.is("asc");
                false
            };
            query.order.push(Sort { column, descending });
            bounded("columns to sort by", query.order.len())?;
            if !words.takes(TokenKind::Comma) {
                break;
            }
        }
    }
    if words.is("limit") && !words.is("all") {
        let Some(limit) = words.number() else {
            return Ok(None);
        };
        query.limit = Some(limit);
    }
    if words.is("offset") {
        let Some(offset) = words.number() else {
            return Ok(None);
        };
        query.offset = offset;
    }
    Ok(Some(query))
}

/// One condition; `None` where it cannot be read.
fn condition(table: Table, words: &mut Words<'_>) -> Result<Option<Condition>, Problem> {
    let Some(name) = words.name() else {
        return Ok(None);
    };
    let column = column(table, &name)?;
    if words.is("is") {
        let negated = words.is("not");
        let comparison = Comparison::Null;
        return Ok(words.is("null").then_some(Condition {
            column,
            comparison,
            negated,
        }));
    }
    let found = match words.operator() {
        Some(operator) => compared(operator, words),
        None => {
            let negated = words.is("not");
            listed(words)?.map(|comparison| (comparison, negated))
        }
    };
    Ok(found.map(|(comparison, negated)| Condition {
        column,
        comparison,
        negated,
    }))
}

/// What stands behind a sign.
fn compared(operator: &str, words: &mut Words<'_>) -> Option<(Comparison, bool)> {
    // A sign of the number may stand right behind it.
    let (operator, sign) = match operator.strip_suffix('-') {
        Some(operator) if !operator.is_empty() => (operator, "-"),
        _ => (operator, ""),
    };
    let value = format!("{sign}{}", words.value()?);
    Some(match operator {
        "=" => (Comparison::OneOf(vec![value]), false),
        "<>" | "!=" => (Comparison::OneOf(vec![value]), true),
        "<" => (Comparison::Below(value), false),
        ">=" => (Comparison::Below(value), true),
        ">" => (Comparison::Above(value), false),
        "<=" => (Comparison::Above(value), true),
        _ => return None,
    })
}

/// What stands behind `LIKE`, `ILIKE` and `IN`.
fn listed(words: &mut Words<'_>) -> Result<Option<Comparison>, Problem> {
    for (word, exact) in [("like", true), ("ilike", false)] {
        if words.is(word) {
            let like = |pattern| Comparison::Like { pattern, exact };
            return Ok(words.value().map(like));
        }
    }
    if !words.is("in") || !words.takes(TokenKind::Open) {
        return Ok(None);
    }
    let mut values = Vec::new();
    loop {
        let Some(value) = words.value() else {
            return Ok(None);
        };
        values.push(value);
        bounded("values of IN", values.len())?;
        if !words.takes(TokenKind::Comma) {
            break;
        }
    }
    let is_closed = words.takes(TokenKind::Close);
    Ok(is_closed.then_some(Comparison::OneOf(values)))
}

fn column(table: Table, name: &str) -> Result<usize, Problem> {
    table.column(name).ok_or_else(|| Problem::NoSuchColumn {
        name: beginning(name),
        table,
    })
}

fn bounded(what: &'static str, count: usize) -> Result<(), Problem> {
    if count > CONDITIONS_MAX {
        let max = CONDITIONS_MAX;
        return Err(Problem::TooMany { what, max });
    }
    Ok(())
}
