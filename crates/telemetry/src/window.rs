//! Of which time a view shows figures.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What counts, rates and times of pools and waits are of. Statements are counted since the start, and charts
/// cover a quarter of an hour, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum Window {
    /// The last seconds.
    #[serde(rename = "5s")]
    Seconds,
    /// The last minute.
    #[default]
    #[serde(rename = "1min")]
    Minute,
    /// The last quarter of an hour.
    #[serde(rename = "15min")]
    Quarter,
    /// All since the start.
    #[serde(rename = "start")]
    Start,
    /// Of a newer version.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Window {
    /// Those there are, the shortest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Minute, Self::Quarter, Self::Start];

    /// The one of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.word() == word)
    }

    /// The word for it in JSON and in a request.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seconds => "5s",
            Self::Minute => "1min",
            Self::Quarter => "15min",
            Self::Start => "start",
            Self::Unknown => "unknown",
        }
    }

    /// How a view says it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Seconds => "last 5 s",
            Self::Minute => "last minute",
            Self::Quarter => "last 15 min",
            Self::Start => "since the start",
            Self::Unknown => "unknown time",
        }
    }

    /// The one after it, and the first after the last.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|window| *window == self);
        Self::ALL[at.map_or(0, |at| at + 1) % Self::ALL.len()]
    }

    /// How long it is; `None` is all since the start.
    pub(crate) fn span(self) -> Option<Duration> {
        let seconds = match self {
            Self::Seconds => 5,
            Self::Minute | Self::Unknown => 60,
            Self::Quarter => 900,
            Self::Start => return None,
        };
        Some(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn words_are_those_of_json_and_lead_around() {
        for window in Window::ALL {
            assert_eq!(serde_json::json!(window), window.word());
            assert_eq!(Window::of(window.word()), Some(window));
        }
        assert_eq!(Window::of("1h"), None);
        assert_eq!(Window::Start.next(), Window::Seconds);
        assert_eq!(Window::Seconds.next(), Window::Minute);
    }
}
