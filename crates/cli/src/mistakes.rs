//! Mistakes as a person reads them: on a terminal with the place underlined, elsewhere one per line with
//! file and line in front, so that `grep` and editors understand them.
//!
//! A line of a file is never quoted as it stands, since it may hold a password beside the mistake. What is
//! shown of it is the setting's name, and of its value only what the mistake says itself.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};
use pgweir_settings::{Columns, Origin, Problem, Span};

use crate::output::Terminal;

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// All of it in one line.
    line: String,
    key: String,
    value: Option<String>,
    message: String,
    suggestion: Option<String>,
    place: Option<Place>,
}

/// A line of a file, and where in it the name and the value stand.
#[derive(Debug)]
struct Place {
    file: String,
    line: u32,
    columns: Columns,
}

impl From<&Problem> for Mistake {
    fn from(problem: &Problem) -> Self {
        let place = match &problem.origin {
            Origin::File {
                path,
                line,
                columns,
            } => Some(Place {
                file: path.to_string(),
                line: *line,
                columns: *columns,
            }),
            Origin::Url
            | Origin::UrlParameter(_)
            | Origin::Variable(_)
            | Origin::Named(_)
            | Origin::Default => None,
        };
        Self {
            line: problem.to_string(),
            key: problem.key.clone(),
            value: problem.value.clone(),
            message: problem.message.clone(),
            suggestion: problem.suggestion.clone(),
            place,
        }
    }
}

/// All of them and their number, for a terminal or for whatever stands in its place.
pub(crate) fn text(mistakes: &[Mistake], terminal: Option<Terminal>) -> String {
    let mut text = String::new();
    let mut files = Files::default();
    for mistake in mistakes {
        match terminal {
            None => text.push_str(&mistake.line),
            Some(terminal) => {
                let quote = mistake.quote(&mut files);
                text.push_str(drawn(mistake, quote, terminal).trim_end());
                text.push('\n');
            }
        }
        text.push('\n');
    }
    let s = if mistakes.len() == 1 { "" } else { "s" };
    text.push_str(&format!("{} problem{s}", mistakes.len()));
    text
}

fn drawn(mistake: &Mistake, quote: Option<Quote>, terminal: Terminal) -> String {
    let mut theme = match (terminal.unicode, terminal.colours) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme {
            characters: GraphicalTheme::ascii().characters,
            ..GraphicalTheme::unicode()
        },
        (false, false) => GraphicalTheme::none(),
    };
    theme.characters.error = "error:".to_owned();
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(terminal.width.max(WIDTH_MIN))
        .with_context_lines(0)
        .without_cause_chain();
    let report = Report::new(mistake, quote, terminal.width);
    let mut text = String::new();
    match handler.render_report(&mut text, &report) {
        Ok(()) => text,
        // What could not be drawn can still be said.
        Err(fmt::Error) => mistake.line.clone(),
    }
}

impl Mistake {
    /// The part of the line that may be shown. `None` where there is none, or where the file does not
    /// have it any more.
    fn quote(&self, files: &mut Files) -> Option<Quote> {
        let place = self.place.as_ref()?;
        let line = files.line(&place.file, place.line)?;
        let part = |span: Span| {
            let range = usize::from(span.start)..usize::from(span.end);
            line.get(range).filter(|part| !part.is_empty())
        };
        let name = part(place.columns.name)?;
        let spelt = name.trim_matches(['"', '\'']);
        // A section stands for what is missing in it.
        let mut parts = self.key.split('.').map(|part| part.trim_matches('"'));
        if !self.key.is_empty() && !parts.any(|part| part == spelt) {
            return None;
        }
        let mut text = name.to_owned();
        let mut span = 0..text.len();
        let mut column = place.columns.name.start;
        let written = part(place.columns.value);
        let more = line
            .get(place.columns.name.end.into()..)
            .unwrap_or_default();
        let is_value = more.trim_start().starts_with('=');
        if is_value {
            let value = match (&self.value, written) {
                // As it is written, if that is what the mistake says.
                (Some(value), Some(written)) if bare(written) == bare(value) => written,
                (Some(value), _) => value.as_str(),
                (None, _) => "…",
            };
            text.push_str(" = ");
            if self.value.is_some() {
                span.start = text.len();
                column = place.columns.value.start;
            }
            text.push_str(value);
            span.end = text.len();
        }
        Some(Quote {
            file: place.file.clone(),
            line: place.line,
            column: column.into(),
            text,
            span,
        })
    }
}

fn bare(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// What is shown of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quote {
    file: String,
    line: u32,
    /// Where the underlined part begins in the file's line, in bytes.
    column: usize,
    text: String,
    /// What is underlined.
    span: std::ops::Range<usize>,
}

impl SourceCode for Quote {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let line = self.line.saturating_sub(1) as usize;
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            self.text.as_bytes(),
            SourceSpan::from((0, self.text.len())),
            line,
            self.column,
            1,
        )))
    }
}

struct Report<'a> {
    title: String,
    label: Option<String>,
    help: Option<&'a str>,
    quote: Option<Quote>,
}

impl<'a> Report<'a> {
    fn new(mistake: &'a Mistake, quote: Option<Quote>, width: usize) -> Self {
        let help = mistake.suggestion.as_deref();
        let Some(quote) = quote else {
            // The line of the mistake says it all; the suggestion at its end stands below.
            let line = mistake.line.as_str();
            let without = help.and_then(|help| line.strip_suffix(help)?.strip_suffix("; "));
            return Self {
                title: without.unwrap_or(line).to_owned(),
                label: None,
                help,
                quote: None,
            };
        };
        let mut title = match (mistake.key.as_str(), &mistake.value) {
            ("", _) => String::new(),
            (key, None) => key.to_owned(),
            (key, Some(value)) => format!("{key} = {value}"),
        };
        // The frame does not break what stands beside the underlined part, the title is broken.
        let number = quote.line.to_string().len();
        let column = FRAME + number + (quote.span.start + quote.span.end) / 2;
        let room = width.saturating_sub(column);
        let label = if title.is_empty() {
            title.clone_from(&mistake.message);
            None
        } else if room >= LABEL_MIN {
            Some(broken(&mistake.message, room))
        } else {
            title = format!("{title}: {}", mistake.message);
            None
        };
        Self {
            title,
            label,
            help,
            quote: Some(quote),
        }
    }
}

/// The text in lines of so many letters at most, as far as words allow.
fn broken(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if length > 0 {
            let fits = length + 1 + letters <= width;
            lines.push(if fits { ' ' } else { '\n' });
            length = if fits { length + 1 } else { 0 };
        }
        lines.push_str(word);
        length += letters;
    }
    lines
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.help?))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.quote.as_ref().map(|quote| quote as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.quote.as_ref()?.span.clone();
        let label = self.label.clone();
        let label = LabeledSpan::new_primary_with_span(label, SourceSpan::from(span));
        Some(Box::new(std::iter::once(label)))
    }
}

/// Files with mistakes, each read once more.
#[derive(Default)]
struct Files {
    read: Vec<(String, Option<String>)>,
}

impl Files {
    fn line(&mut self, file: &str, line: u32) -> Option<Cow<'_, str>> {
        let at = match self.read.iter().position(|(name, _)| name == file) {
            Some(at) => at,
            None => {
                // A pipe has been read to its end, and may be waited for without one.
                let regular = Path::new(file).is_file();
                let text = regular.then(|| fs::read_to_string(file).ok()).flatten();
                self.read.push((file.to_owned(), text));
                self.read.len() - 1
            }
        };
        let text = self.read[at].1.as_ref()?;
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        text.lines().nth(line).map(Cow::Borrowed)
    }
}

/// Less than that leaves no room for words beside the frame.
const WIDTH_MIN: usize = 40;
/// What is drawn in front of a label, beside the number of the line.
const FRAME: usize = 10;
/// A label in less than that would be a column of words.
const LABEL_MIN: usize = 24;

#[cfg(test)]
mod tests;
