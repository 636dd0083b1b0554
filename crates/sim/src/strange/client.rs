//! A strange client at an honest PostgreSQL, and those that get its server next.

use std::sync::Arc;

use pgweir_pool::id::ServerId;
use pgweir_pool::parameters::Parameters;
use pgweir_pool::recovery::Next;
use pgweir_pool::relay::{Mode, Relay};
use pgweir_pool::server::{Returning, Server};
use pgweir_pool::session::{End, Need, Session};
use pgweir_pool::upstream::Upstream;
use pgweir_wire::encode;

use super::choices::Choices;
use super::honest::{self, Honest};
use super::stream::Stream;
use super::{NOW, SCRATCH, messages, place, wording};

/// What one list of bytes came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Answers that next clients got and that were their own.
    pub answers: u32,
    /// Those from a server that the strange client had before.
    pub answers_behind: u32,
    /// Servers that were lost.
    pub lost: u32,
}

/// Steps in which one event comes to its end; what needs more goes round in circles.
const STEPS_MAX: u32 = 200_000;

/// Servers that one event may cost.
const LOST_MAX: u32 = 3;

type Strange = Session<Stream, Stream>;

/// A client that must see nothing but its own.
struct NextClient {
    session: Option<Strange>,
    settings: &'static [(&'static str, &'static str)],
    /// What its queries see of the settings.
    digest: &'static str,
}

struct World<'a> {
    choices: Choices<'a>,
    scratch: Vec<u8>,
    mode: Mode,
    reset_always: bool,
    /// The server, while nobody holds it.
    free: Option<Box<Server<Stream>>>,
    postgres: Honest,
    defaults: Arc<Parameters>,
    opened: u64,
    /// The strange client has had the present server.
    is_used: bool,
    /// A next client asks, not the strange one.
    is_next: bool,
    seen: Seen,
}

/// Reads from `bytes` what a client sends and how it arrives.
///
/// # Panics
/// If another client meets anything of it.
pub fn clients_bytes(bytes: &[u8]) -> Seen {
    let mut world = World::new(Choices::new(bytes));
    let mut next = [
        NextClient::new(&[("my.flag", "b")], "/UTF8/b/none/public/app/UTC"),
        NextClient::new(&[], "/UTF8//none/public/app/UTC"),
    ];
    let settings = world.startup();
    let mut stranger = world.session(&settings);
    let mut is_over = false;
    let mut sent = Vec::new();
    while !is_over && !world.choices.is_over() {
        if world.choices.below(8) == 0 {
            if let Some(server) = &world.free {
                assert!(server.is_reusable(), "a server lies in its pool unclean");
                let which = world.choices.below(2);
                world.ask(&mut next[which]);
            }
            continue;
        }
        sent.clear();
        messages::of_client(&mut world.choices, &mut sent);
        let mut rest = &sent[..];
        while !rest.is_empty() && !is_over {
            let (now, later) = rest.split_at(world.choices.piece().min(rest.len()));
            rest = later;
            stranger.client.input.extend(now);
            stranger.client.room = world.choices.piece();
            stranger.ready(true, false);
            is_over = world.settle(&mut stranger).is_some();
        }
    }
    if !is_over {
        world.leave(stranger);
    }
    for client in &mut next {
        world.ask(client);
    }
    world.seen
}

impl<'a> World<'a> {
    fn new(mut choices: Choices<'a>) -> Self {
        let modes = [
            Mode::Transaction,
            Mode::Transaction,
            Mode::Session,
            Mode::Statement,
        ];
        let mode = choices.pick(&modes);
        let setup = choices.byte();
        let mut defaults = Parameters::default();
        for (name, value) in Honest::greeting() {
            defaults.set(name, value);
        }
        Self {
            mode,
            reset_always: setup & 3 == 3,
            scratch: vec![0; SCRATCH],
            free: None,
            postgres: Honest::new(setup & 4 == 4),
            defaults: Arc::new(defaults),
            opened: 0,
            is_used: false,
            is_next: false,
            seen: Seen::default(),
            choices,
        }
    }

    /// Settings that the strange client connects with.
    fn startup(&mut self) -> Vec<(&'static str, &'static str)> {
        const SETTINGS: [(&str, &str); 5] = [
            ("my.flag", "a"),
            ("timezone", "GMT"),
            ("client_encoding", "LATIN1"),
            ("search_path", "caf\u{e9}"),
            ("timezone", "Nowhere"),
        ];
        let chosen = self.choices.byte();
        let places = SETTINGS.into_iter().enumerate();
        places
            .filter(|(at, _)| chosen >> at & 1 == 1 && (*at < 4 || chosen >= 0xf0))
            .map(|(_, setting)| setting)
            .collect()
    }

    fn session(&self, settings: &[(&str, &str)]) -> Strange {
        let mut own = Parameters::clone(&self.defaults);
        for (name, value) in settings {
            own.set(name, value);
        }
        let relay = Relay::new(self.mode, Arc::new(own));
        let mut session = Session::new(Stream::new(), relay, wording, NOW);
        session.reset_always = self.reset_always;
        session
    }

    fn reset_query(&self) -> &'static str {
        if self.reset_always || self.mode == Mode::Session {
            "DISCARD ALL"
        } else {
            ""
        }
    }

    /// Has a session do all that it can; how it ended, if it did.
    fn settle(&mut self, session: &mut Strange) -> Option<End> {
        let lost_before = self.seen.lost;
        let mut need = session.pump(NOW, &mut self.scratch);
        for _ in 0..STEPS_MAX {
            assert!(
                self.seen.lost - lost_before <= LOST_MAX,
                "one server after the other is lost"
            );
            bounded(session);
            need = match need {
                Need::Finish(end) => return Some(end),
                Need::Nothing if !self.exchange(session) => return None,
                Need::Nothing | Need::Turn => session.pump(NOW, &mut self.scratch),
                Need::Checkout => {
                    let server = self.take_server();
                    let check = (self.choices.below(4) == 3).then_some("select 1");
                    session.attach(NOW, server, place(), check, &mut self.scratch)
                }
                Need::Greeted(_) | Need::Vacate(_) => session.pump(NOW, &mut self.scratch),
                Need::Checkin(server) => {
                    self.park(server);
                    session.pump(NOW, &mut self.scratch)
                }
                Need::Return(returning) => {
                    self.clean(returning);
                    session.pump(NOW, &mut self.scratch)
                }
                Need::Lost(_, place) => {
                    self.lose();
                    match place {
                        Some(place) => {
                            let server = self.take_server();
                            session.attach(NOW, server, place, None, &mut self.scratch)
                        }
                        None => session.pump(NOW, &mut self.scratch),
                    }
                }
            };
        }
        panic!("a session goes round in circles");
    }

    /// Moves bytes between a session's server and PostgreSQL, and gives its client room; false if there was
    /// nothing to do.
    fn exchange(&mut self, session: &mut Strange) -> bool {
        let mut moved = false;
        if session.client.room == 0 {
            session.client.room = self.choices.piece();
            session.ready(false, false);
            moved = true;
        }
        match session.server() {
            Some(server) => self.carry(server) || moved,
            None => moved,
        }
    }

    /// Moves bytes between a server's stream and PostgreSQL; false if there were none.
    fn carry(&mut self, server: &mut Server<Stream>) -> bool {
        let mut moved = false;
        let said = std::mem::take(&mut server.stream.output);
        if !said.is_empty() {
            self.postgres.receive(&said);
            moved = true;
        }
        if server.stream.room == 0 {
            server.stream.room = self.choices.piece();
            moved = true;
        }
        let len = self.choices.piece().min(self.postgres.sent.len());
        if len > 0 {
            server.stream.input.extend(self.postgres.sent.drain(..len));
            moved = true;
        }
        let closes = self.postgres.closed && self.postgres.sent.is_empty();
        if closes && !server.stream.closed {
            server.stream.closed = true;
            moved = true;
        }
        if moved {
            server.ready(len > 0, closes);
        }
        moved
    }

    /// A server for a client: the one there is, or a new one.
    fn take_server(&mut self) -> Box<Server<Stream>> {
        let server = self.free_or_new();
        self.is_used |= !self.is_next;
        server
    }

    fn free_or_new(&mut self) -> Box<Server<Stream>> {
        if let Some(mut server) = self.free.take() {
            // A goodbye that came meanwhile would have been heard.
            self.carry(&mut server);
            if server.drain(&mut self.scratch) && !server.stream.closed {
                server.stream.room = self.choices.piece();
                return server;
            }
            self.lose();
        }
        let upstream = Upstream::new(self.defaults.clone());
        self.opened += 1;
        Box::new(Server::new(ServerId(self.opened), Stream::new(), upstream))
    }

    fn park(&mut self, server: Box<Server<Stream>>) {
        assert!(server.is_reusable(), "a server goes back unclean");
        assert!(self.free.is_none(), "there is one server");
        self.free = Some(server);
    }

    fn lose(&mut self) {
        self.seen.lost += 1;
        self.is_used = false;
        self.postgres = self.postgres.another();
    }

    /// Cleans a server behind its client.
    fn clean(&mut self, mut returning: Returning<Stream>) {
        let query = self.reset_query();
        for _ in 0..STEPS_MAX {
            match returning.pump(query, &mut self.scratch) {
                Next::Clean => return self.park(returning.server),
                Next::Hopeless => return self.lose(),
                // Closed when its time is over.
                Next::Wait | Next::Cancel if !self.carry(&mut returning.server) => {
                    return self.lose();
                }
                Next::Wait | Next::Cancel => {}
            }
        }
        panic!("a server is cleaned for ever");
    }

    /// The client's connection ends.
    fn leave(&mut self, mut session: Strange) {
        session.client.closed = true;
        session.client.room = usize::MAX;
        session.ready(true, true);
        if self.settle(&mut session).is_some() {
            return;
        }
        // It has said goodbye and is not read, until the sweep ends it.
        match session.end(End::Ended, None) {
            Need::Return(returning) => self.clean(returning),
            Need::Finish(_) => {}
            need => panic!("the end of a session needs {need:?}"),
        }
    }

    /// A next client asks, and gets its answers.
    fn ask(&mut self, client: &mut NextClient) {
        let mut session = client
            .session
            .take()
            .unwrap_or_else(|| self.session(client.settings));
        for is_batch in [false, true] {
            let text = format!("select next {}", self.seen.answers);
            let (mut asked, mut expected) = (Vec::new(), Vec::new());
            let row = format!("{text}|{}", client.digest);
            if is_batch {
                encode::parse(&mut asked, "", &text);
                encode::bind(&mut asked, "", "");
                encode::execute(&mut asked, "");
                encode::sync(&mut asked);
                honest::batch_answer(&row, &mut expected);
            } else {
                encode::query(&mut asked, &text);
                honest::answer(&row, &mut expected);
            }
            session.client.input.extend(asked);
            session.ready(true, false);
            let was_used = self.is_used;
            self.is_next = true;
            let end = self.settle(&mut session);
            self.is_next = false;
            let got = std::mem::take(&mut session.client.output);
            assert!(
                end.is_none() && got == expected,
                "the next client gets {:?} ({end:?}), not {:?}",
                String::from_utf8_lossy(&got),
                String::from_utf8_lossy(&expected)
            );
            self.seen.answers += 1;
            self.seen.answers_behind += u32::from(was_used && self.is_used);
        }
        if session.server().is_some() {
            assert_eq!(self.mode, Mode::Session, "nothing holds the server");
            self.leave(session);
        } else {
            client.session = Some(session);
        }
    }
}

impl NextClient {
    fn new(settings: &'static [(&'static str, &'static str)], digest: &'static str) -> Self {
        Self {
            session: None,
            settings,
            digest,
        }
    }
}

/// What a session and its server keep is bounded by the worker's buffer, whatever is sent.
fn bounded(session: &mut Strange) {
    const OWN_MAX: usize = 4 * 1024;
    let (held, unsent) = session.buffered();
    assert!(held <= SCRATCH, "{held} bytes of a client are held");
    // A Sync of five bytes is answered with six.
    assert!(
        unsent <= SCRATCH / 5 * 6 + OWN_MAX,
        "{unsent} bytes wait for a client"
    );
    if let Some(server) = session.server() {
        let (held, unsent) = server.buffered();
        assert!(held <= SCRATCH, "{held} bytes of a server are held");
        assert!(
            unsent <= SCRATCH + OWN_MAX,
            "{unsent} bytes wait for a server"
        );
    }
}
