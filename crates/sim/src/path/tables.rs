//! Tables that somebody else changes while clients run, so that statements which were prepared before have another
//! result.
//!
//! PostgreSQL lets nobody change a table that a transaction uses. When a client's message is carried out is known from
//! when it was sent and when all was answered ([`Span`]).

use std::collections::{BTreeMap, BTreeSet};

use pgweir_wire::frame::{self, HEADER_LEN};
use pgweir_wire::{backend, frontend};

use super::client::Answer;
use super::sql::Tag;

/// How often tables had changed.
pub(super) type Tables = u64;

/// What is said of a statement that has another result now.
pub(super) const STALE: &str = "cached plan must not change result type";

/// When something was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Not before tables had changed so often.
    pub(super) first: Tables,
    /// Not after; `None` if it was never known to be over.
    pub(super) last: Option<Tables>,
}

/// When a client's messages about statements with names were carried out.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    /// Of its Parse messages, in order.
    pub(super) parses: Vec<Span>,
    /// Of its Bind messages.
    pub(super) binds: BTreeMap<Tag, Span>,
}

/// What a client met, for the same program without a pooler.
#[derive(Debug)]
pub(super) struct Met<'a> {
    spans: &'a Spans,
    /// How many answers of PostgreSQL it got.
    answers: usize,
    /// At which places of them it was told that a statement has another result.
    refusals: BTreeSet<usize>,
}

impl Spans {
    /// The client begins to send these messages.
    pub(super) fn begin(&mut self, mut bytes: &[u8], tables: Tables) {
        let span = Span {
            first: tables,
            last: None,
        };
        while let Ok(Some(header)) = frame::header(bytes)
            && let Some(body) = bytes.get(HEADER_LEN..header.message_len())
        {
            match header.kind {
                frontend::PARSE if body.first() != Some(&0) => self.parses.push(span),
                frontend::BIND => drop(tag_of_bind(body).map(|tag| self.binds.insert(tag, span))),
                _ => {}
            }
            bytes = &bytes[header.message_len()..];
        }
    }

    /// Everything that was sent is answered.
    pub(super) fn all_answered(&mut self, tables: Tables) {
        let all = self.parses.iter_mut().chain(self.binds.values_mut());
        for span in all {
            span.last.get_or_insert(tables);
        }
    }
}

impl<'a> Met<'a> {
    /// `answers` are those that are PostgreSQL's.
    pub(super) fn new(spans: &'a Spans, answers: &[Answer]) -> Self {
        let is_refusal =
            |answer: &Answer| answer.kind == backend::ERROR_RESPONSE && answer.text.contains(STALE);
        let places = answers.iter().enumerate();
        let refusals = places.filter(|(_, answer)| is_refusal(answer));
        Self {
            spans,
            answers: answers.len(),
            refusals: refusals.map(|(at, _)| at).collect(),
        }
    }

    /// Whether the client was refused the Bind that is answered at this place, of the statement that its Parse of this
    /// number made.
    ///
    /// # Panics
    /// If it was and PostgreSQL would not have, or the other way round.
    pub(super) fn refuses(&self, place: usize, parse: usize, bind: Tag) -> bool {
        let is_refused = self.refusals.contains(&place);
        let spans = (self.spans.parses.get(parse), self.spans.binds.get(&bind));
        if let (Some(parse), Some(at)) = spans
            && place < self.answers
        {
            super::check::tables::bound(bind, is_refused, *parse, *at);
        }
        is_refused
    }
}

/// The parameter of a Bind.
pub(super) fn tag_of_bind(body: &[u8]) -> Option<Tag> {
    let (_, rest) = frame::c_string(body)?;
    let (_, rest) = frame::c_string(rest)?;
    let text = rest.get(8..rest.len().checked_sub(2)?)?;
    Tag::parse(str::from_utf8(text).ok()?)
}
