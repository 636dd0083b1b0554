//! The picture: a line of state, what is wrong, lines of figures, a table, and the keys.

use pgweir_telemetry::Live;
use pgweir_telemetry::live::{Alarm, Headline, LivePool, LiveSum, Severity};
use pgweir_telemetry::words::{count, duration, flat, rate, span, time_of_day};
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Clear, Paragraph, Row, Sparkline, Table, Wrap};
use ratatui::{Frame, Terminal};

use super::grid::{Column, Grid, SPACING, Tone};
use super::sessions::{SessionsText, sessions};
use super::tab::Tab;
use super::tables::grid;
use super::view::View;

/// Alarms shown.
const ALARMS_MAX: usize = 3;

/// Rows that plain text may have.
const PLAIN_ROWS_MAX: usize = 500;

/// Draws the whole.
pub(crate) fn draw(frame: &mut Frame<'_>, view: &View, colours: bool) {
    let paint = Paint { colours };
    let Some(live) = view.live() else {
        let text = view.failure.as_deref().unwrap_or("Asking the pooler.");
        let waiting = Paragraph::new(text).wrap(Wrap { trim: true });
        frame.render_widget(waiting, frame.area());
        return;
    };
    let troubles = troubles(view, live);
    let servers = sessions(live);
    let [top, middle, figures, limits, tabs, table, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::try_from(troubles.len()).expect("a few")),
        Constraint::Length(2),
        Constraint::Length(u16::from(!servers.is_empty())),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(state(view, live, paint), top);
    let lines: Vec<Line<'_>> = troubles
        .into_iter()
        .map(|trouble| trouble.line(paint))
        .collect();
    frame.render_widget(Paragraph::new(lines), middle);
    draw_figures(frame, figures, live, paint);
    frame.render_widget(session_line(servers, paint), limits);
    frame.render_widget(tab_line(view, paint), tabs);
    let mut grid = grid(&view.look, &view.choice, live);
    grid.fit(table.width);
    draw_table(frame, table, view, &grid, paint);
    frame.render_widget(key_line(view, paint), keys);
    if view.helping {
        draw_help(frame);
    }
}

/// The picture as text, for no terminal: without keys, and with every row.
pub(crate) fn plain(view: &View, width: u16) -> String {
    let rows = view
        .live()
        .map_or(0, |live| grid(&view.look, &view.choice, live).rows.len());
    let height = u16::try_from(rows.min(PLAIN_ROWS_MAX) + 13).expect("513 at most");
    let mut terminal = match Terminal::new(TestBackend::new(width, height)) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    match terminal.draw(|frame| draw(frame, view, false)) {
        Ok(_) => {}
        Err(never) => match never {},
    }
    let mut lines = lines(terminal.backend().buffer());
    // Keys are of no use there.
    lines.pop();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// The text of a buffer, line by line.
pub(crate) fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    let line = |y| {
        let symbols = (0..area.width).map(|x| buffer[(x, y)].symbol());
        symbols.collect::<String>().trim_end().to_owned()
    };
    (0..area.height).map(line).collect()
}

/// Colours, where they are wanted; weight alone otherwise.
#[derive(Clone, Copy)]
struct Paint {
    colours: bool,
}

impl Paint {
    fn colour(self, colour: Color) -> Style {
        if self.colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    fn error(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn warning(self) -> Style {
        self.colour(Color::Yellow)
    }

    fn good(self) -> Style {
        self.colour(Color::Green)
    }

    fn muted(self) -> Style {
        // Dim, not grey: grey is unreadable on some grounds.
        Style::new().add_modifier(Modifier::DIM)
    }

    fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Warning => self.warning(),
            Tone::Error => self.error(),
        }
    }
}

/// A line between the state and the figures.
enum Trouble {
    Error(String),
    Warning(String),
    More(usize),
    None(Headline),
}

impl Trouble {
    fn line(self, paint: Paint) -> Line<'static> {
        match self {
            Self::Error(text) => Line::styled(format!("!! {text}"), paint.error()),
            Self::Warning(text) => Line::styled(format!("!  {text}"), paint.warning()),
            Self::More(more) => Line::styled(format!("   and {more} more"), paint.muted()),
            Self::None(headline) => {
                let style = if headline.is_well {
                    paint.good()
                } else {
                    paint.warning()
                };
                Line::styled(flat(&headline.line), style)
            }
        }
    }

    fn of(alarm: &Alarm) -> Self {
        let text = flat(&alarm.line);
        match alarm.severity {
            Severity::Error => Self::Error(text),
            Severity::Warning | Severity::Info | Severity::Unknown => Self::Warning(text),
        }
    }
}

fn troubles(view: &View, live: &Live) -> Vec<Trouble> {
    let failure = view.failure.as_ref();
    let failure = failure.map(|why| Trouble::Error(format!("{why}; what is shown is old")));
    let alarms = live.alarms.iter().flatten().map(Trouble::of);
    let mut troubles: Vec<Trouble> = failure.into_iter().chain(alarms).collect();
    if troubles.is_empty() {
        let headline = live.headline.clone().unwrap_or_default();
        return vec![Trouble::None(headline)];
    }
    let more = troubles.len().saturating_sub(ALARMS_MAX);
    troubles.truncate(ALARMS_MAX);
    if more > 0 {
        troubles.push(Trouble::More(more));
    }
    troubles
}

fn state(view: &View, live: &Live, paint: Paint) -> Line<'static> {
    let (word, style) = match (live.draining, live.paused, live.ready) {
        (true, _, _) => ("shutting down", paint.warning()),
        (false, true, _) => ("paused", paint.warning()),
        (false, false, false) => ("not ready", paint.error()),
        (false, false, true) => ("ready", paint.good()),
    };
    let mut spans = vec![
        Span::styled("pgweir ", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(live.version.clone()),
        Span::raw("  "),
        Span::styled(word, style.add_modifier(Modifier::BOLD)),
        Span::styled(format!("  up {}", span(live.uptime_seconds)), paint.muted()),
        Span::styled(
            format!("  {} UTC", time_of_day(&live.timestamp)),
            paint.muted(),
        ),
        Span::raw(format!("  {}", live.window.words())),
    ];
    if view.is_held() {
        let held = paint.warning().add_modifier(Modifier::REVERSED);
        spans.push(Span::raw("  "));
        spans.push(Span::styled(" held: h goes on ", held));
    }
    Line::from(spans)
}

fn draw_figures(frame: &mut Frame<'_>, area: Rect, live: &Live, paint: Paint) {
    let sum = |of: fn(&LivePool) -> u32| -> u64 {
        let pools = live.pools.iter().map(of);
        pools.map(u64::from).sum()
    };
    let limits = live.pools.iter().map(|pool| pool.stats.limit);
    let limits: Option<u64> = limits.map(|limit| limit.map(u64::from)).sum();
    let in_use = match limits {
        Some(limit) => format!(
            "{} of {}",
            count(sum(|pool| pool.stats.active)),
            count(limit)
        ),
        None => count(sum(|pool| pool.stats.active)),
    };
    let transactions: f64 = live
        .pools
        .iter()
        .map(|pool| pool.transactions_per_second)
        .sum();
    // An older pooler has no sum, but the last five seconds.
    let is_older = live.sum == LiveSum::default();
    let p99 = |of_window: Option<f64>, column: &[Option<f64>]| match is_older {
        true => duration(column.last().copied().flatten()),
        false => duration(of_window),
    };
    let LiveSum {
        wait_ms, query_ms, ..
    } = &live.sum;
    let clients = format!("{} of {}", count(live.clients), count(live.clients_limit));
    let figures = [
        ("waiting", count(sum(|pool| pool.stats.waiting))),
        ("servers in use", in_use),
        ("tx/s", rate(transactions)),
        ("wait p99", p99(wait_ms.p99, &live.history.wait_p99_ms)),
        ("query p99", p99(query_ms.p99, &live.history.query_p99_ms)),
        ("clients", clients),
    ];
    let mut line = Vec::new();
    for (name, value) in figures {
        line.push(Span::styled(format!("{name} "), paint.muted()));
        line.push(Span::styled(
            value,
            Style::new().add_modifier(Modifier::BOLD),
        ));
        line.push(Span::raw("   "));
    }
    let [text, course] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    frame.render_widget(Line::from(line), text);
    let rates = &live.history.transactions_per_second;
    let label = "tx/s, 15 min ";
    let [name, bars] =
        Layout::horizontal([Constraint::Length(13), Constraint::Fill(1)]).areas(course);
    frame.render_widget(Span::styled(label, paint.muted()), name);
    let known = rates.len().saturating_sub(usize::from(bars.width));
    let data: Vec<u64> = rates[known..]
        .iter()
        .map(|rate| rate.round() as u64)
        .collect();
    frame.render_widget(
        Sparkline::default()
            .data(&data)
            .style(paint.colour(Color::Blue)),
        bars,
    );
}

/// The sessions of each PostgreSQL, as far as there is room.
fn session_line(servers: Vec<SessionsText>, paint: Paint) -> Line<'static> {
    let mut spans = vec![Span::styled("sessions ", paint.muted())];
    for SessionsText {
        server,
        is_tight,
        text,
    } in servers
    {
        let style = if is_tight {
            paint.warning()
        } else {
            Style::new()
        };
        spans.push(Span::styled(
            format!("{server} "),
            Style::new().add_modifier(Modifier::BOLD),
        ));
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("   "));
    }
    Line::from(spans)
}

fn tab_line(view: &View, paint: Paint) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, tab) in Tab::ALL.into_iter().enumerate() {
        let text = format!(" {} {} ", index + 1, tab.title());
        let style = if tab == view.look.tab {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            paint.muted()
        };
        spans.push(Span::styled(text, style));
    }
    spans.push(Span::styled(
        format!("  by {}", view.look.order()),
        paint.muted(),
    ));
    if !view.look.filter.is_empty() && !view.typing {
        spans.push(Span::styled(
            format!("  /{}", view.look.filter),
            paint.warning(),
        ));
    }
    Line::from(spans)
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, view: &View, grid: &Grid, paint: Paint) {
    if grid.rows.is_empty() {
        let note = Paragraph::new(grid.nothing.as_str()).wrap(Wrap { trim: true });
        frame.render_widget(note.style(paint.muted()), area);
        return;
    }
    let align = |text: String, index: usize| {
        let line = Line::from(text);
        let is_right = grid.columns[index].is_right;
        Cell::from(if is_right { line.right_aligned() } else { line })
    };
    let names = grid.columns.iter().enumerate();
    let header = Row::new(names.map(|(index, column)| align(column.name.to_string(), index)));
    let visible = usize::from(area.height.saturating_sub(1));
    let scroll = match grid.chosen {
        // The chosen row is always to be seen.
        Some(chosen) => (chosen + 1).saturating_sub(visible),
        None => view.scroll,
    };
    let scroll = scroll.min(grid.rows.len().saturating_sub(visible));
    let rows =
        grid.rows
            .iter()
            .enumerate()
            .skip(scroll)
            .take(visible)
            .map(|(row, (tone, cells))| {
                let style = if grid.chosen == Some(row) {
                    paint.tone(*tone).add_modifier(Modifier::REVERSED)
                } else {
                    paint.tone(*tone)
                };
                let cells = cells.iter().enumerate();
                Row::new(cells.map(|(index, text)| align(text.clone(), index))).style(style)
            });
    let widths = grid.columns.iter().map(Column::constraint);
    let header = header.style(Style::new().add_modifier(Modifier::UNDERLINED));
    let table = Table::new(rows, widths)
        .header(header)
        .column_spacing(SPACING);
    frame.render_widget(table, area);
}

fn key_line(view: &View, paint: Paint) -> Line<'static> {
    if view.typing {
        let text = format!(
            "filter: {}_   Enter keeps it, Esc drops it",
            view.look.filter
        );
        return Line::raw(text);
    }
    if let Some(question) = &view.choice.question {
        return Line::styled(
            question.text.clone(),
            paint.warning().add_modifier(Modifier::BOLD),
        );
    }
    if let Some(said) = &view.choice.said {
        return Line::raw(said.clone());
    }
    let text = match view.look.tab {
        Tab::Holders => {
            "q quit   Tab table   s order   w time   / filter   h hold   j k choose   c cancel   e end   ? help"
        }
        _ => "q quit   Tab table   s order   w time   / filter   h hold   ? help",
    };
    Line::styled(text, paint.muted())
}

fn draw_help(frame: &mut Frame<'_>) {
    let text = "\
 1 to 7, Tab    choose a table
 s              the next order of its rows
 j k, arrows    scroll, or choose a holder; Home to the top
 c, e           cancel, end the chosen holder (administrators)
 w              the time that figures are of
 /              filter by words; Esc drops it
 h, space       hold the picture, and go on
 q, Ctrl-C      quit

 servers: █ held  ▒ free  ░ logging in  · not open
 a pool with ! cannot log in to PostgreSQL
 counts, rates and times are of the time in the first line
 Any key closes this.";
    let area = frame.area();
    let [_, middle, _] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(15),
        Constraint::Fill(1),
    ])
    .areas(area);
    let [_, middle, _] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(64),
        Constraint::Fill(1),
    ])
    .areas(middle);
    frame.render_widget(Clear, middle);
    let block = ratatui::widgets::Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(text).block(block), middle);
}
