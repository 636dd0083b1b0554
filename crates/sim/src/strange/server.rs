//! An honest client, and a server that says anything.

use std::sync::Arc;

use pgweir_pool::id::ServerId;
use pgweir_pool::parameters::Parameters;
use pgweir_pool::recovery::Next;
use pgweir_pool::relay::{Mode, Relay};
use pgweir_pool::server::{Returning, Server};
use pgweir_pool::session::{End, Need, Session};
use pgweir_pool::upstream::{UNDERSTOOD_MAX, Upstream};
use pgweir_wire::backend;
use pgweir_wire::encode;
use pgweir_wire::frame::{self, HEADER_LEN};

use super::choices::Choices;
use super::honest::Honest;
use super::stream::Stream;
use super::{NOW, SCRATCH, messages, place, wording};

/// What one list of bytes came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    /// Messages that the client got.
    pub messages: u32,
    /// Servers that went back to their pool.
    pub returned: u32,
    /// Servers that were lost.
    pub lost: u32,
}

/// Steps in which one event comes to its end; what needs more goes round in circles.
const STEPS_MAX: u32 = 10_000;

struct World<'a> {
    choices: Choices<'a>,
    scratch: Vec<u8>,
    session: Session<Stream, Stream>,
    free: Option<Box<Server<Stream>>>,
    /// What an honest server would answer.
    postgres: Honest,
    cleaned: Option<Returning<Stream>>,
    /// Answers with ReadyForQuery that the client has asked for.
    asked: usize,
    opened: u64,
    told: Told,
}

/// Reads from `bytes` what a server says, when, and how it arrives.
///
/// # Panics
/// If the client gets what is no message, or a server goes back that has not answered.
pub fn servers_bytes(bytes: &[u8]) -> Told {
    let mut world = World::new(Choices::new(bytes));
    let mut said = Vec::new();
    while !world.choices.is_over() {
        if world.choices.below(4) == 0 && !world.ask() {
            break;
        }
        said.clear();
        if world.choices.below(4) == 0 {
            messages::of_server(&mut world.choices, &mut said);
        } else {
            world.answer(&mut said);
        }
        let mut rest = &said[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(world.choices.piece().min(rest.len()));
            rest = later;
            if world.hear(now, false) {
                return world.finish();
            }
        }
    }
    world.hear(b"", true);
    world.finish()
}

impl<'a> World<'a> {
    fn new(mut choices: Choices<'a>) -> Self {
        let mode = choices.pick(&[Mode::Transaction, Mode::Session, Mode::Statement]);
        let mut own = Parameters::default();
        if choices.flag() {
            own.set("timezone", "UTC");
        }
        let relay = Relay::new(mode, Arc::new(own));
        let mut session = Session::new(Stream::new(), relay, wording, NOW);
        session.reset_always = choices.below(4) == 0;
        Self {
            choices,
            scratch: vec![0; SCRATCH],
            session,
            free: None,
            postgres: Honest::new(false),
            cleaned: None,
            asked: 0,
            opened: 0,
            told: Told::default(),
        }
    }

    /// The client asks something, if it is not in the middle of that; false if its session is over.
    fn ask(&mut self) -> bool {
        if self.readies() < self.asked {
            return true;
        }
        let out = &mut Vec::new();
        match self.choices.below(5) {
            0 => encode::query(out, "select a"),
            1 => encode::query(out, "begin"),
            2 => encode::query(out, "copy in"),
            3 => {
                encode::query(out, "select a");
                encode::query(out, "deallocate s");
                self.asked += 1;
            }
            _ => {
                encode::parse(out, self.choices.pick(&["", "s"]), "select a");
                encode::bind(out, "", "");
                encode::execute(out, "");
                encode::sync(out);
            }
        }
        self.asked += 1;
        self.session.client.input.extend(out.iter());
        self.session.client.room = self.choices.piece();
        self.session.ready(true, false);
        !self.settle()
    }

    /// The right answer to what the server was asked, spoiled now and then.
    fn answer(&mut self, said: &mut Vec<u8>) {
        if let Some(server) = self.present() {
            let asked = std::mem::take(&mut server.stream.output);
            self.postgres.receive(&asked);
        }
        said.append(&mut self.postgres.sent);
        messages::spoil(&mut self.choices, said, 0);
    }

    /// The server that is held, cleaned or parked.
    fn present(&mut self) -> Option<&mut Server<Stream>> {
        match (self.session.server(), &mut self.cleaned, &mut self.free) {
            (Some(server), ..) => Some(server),
            (None, Some(returning), _) => Some(&mut returning.server),
            (None, None, free) => free.as_deref_mut(),
        }
    }

    /// The server says something, and hangs up with `last`; whether the session is over.
    fn hear(&mut self, bytes: &[u8], last: bool) -> bool {
        let Some(server) = self.present() else {
            return false;
        };
        server.stream.input.extend(bytes);
        server.stream.closed |= last;
        server.ready(true, last);
        if self.cleaned.is_some() {
            self.clean();
        } else if let Some(mut server) = self.free.take() {
            // As a worker does with a server that says something while it is parked.
            if server.drain(&mut self.scratch) && server.upstream.owes_nothing() {
                self.free = Some(server);
            } else {
                self.told.lost += 1;
            }
        }
        self.settle()
    }

    /// Has the session do all that it can; whether it is over.
    fn settle(&mut self) -> bool {
        let mut need = self.session.pump(NOW, &mut self.scratch);
        for _ in 0..STEPS_MAX {
            self.check();
            need = match need {
                Need::Finish(end) => {
                    self.ends(&end);
                    return true;
                }
                Need::Nothing if self.session.client.room > 0 => return false,
                Need::Nothing => {
                    self.session.client.room = self.choices.piece();
                    self.session.ready(false, false);
                    self.session.pump(NOW, &mut self.scratch)
                }
                Need::Turn => self.session.pump(NOW, &mut self.scratch),
                Need::Checkout => {
                    let server = self.take_server();
                    let check = (self.choices.below(4) == 3).then_some("select 1");
                    self.session
                        .attach(NOW, server, place(), check, &mut self.scratch)
                }
                Need::Greeted(_) | Need::Vacate(_) => self.session.pump(NOW, &mut self.scratch),
                Need::Checkin(server) => {
                    self.park(server);
                    self.session.pump(NOW, &mut self.scratch)
                }
                Need::Return(returning) => {
                    self.cleaned = Some(returning);
                    self.clean();
                    self.session.pump(NOW, &mut self.scratch)
                }
                Need::Lost(_, place) => {
                    self.told.lost += 1;
                    match place {
                        Some(place) => {
                            let server = self.take_server();
                            self.session
                                .attach(NOW, server, place, None, &mut self.scratch)
                        }
                        None => self.session.pump(NOW, &mut self.scratch),
                    }
                }
            };
        }
        panic!("a session goes round in circles");
    }

    fn take_server(&mut self) -> Box<Server<Stream>> {
        // One that is still being cleaned is another's by then.
        self.cleaned = None;
        if let Some(server) = self.free.take() {
            return server;
        }
        let mut defaults = Parameters::default();
        defaults.set("timezone", "GMT");
        let upstream = Upstream::new(Arc::new(defaults));
        self.opened += 1;
        self.postgres = self.postgres.another();
        Box::new(Server::new(ServerId(self.opened), Stream::new(), upstream))
    }

    fn park(&mut self, server: Box<Server<Stream>>) {
        assert!(server.is_reusable(), "a server goes back unclean");
        // Of what did not fit yet nothing is known.
        if self.session.buffered().1 == 0 {
            let (readies, asked) = (self.readies(), self.asked);
            assert_eq!(readies, asked, "a server goes back that has not answered");
            assert!(!self.walk().1, "a server goes back amid a message");
        }
        self.told.returned += 1;
        self.free = Some(server);
    }

    fn clean(&mut self) {
        let Some(mut returning) = self.cleaned.take() else {
            return;
        };
        match returning.pump("DISCARD ALL", &mut self.scratch) {
            Next::Clean => {
                assert!(
                    returning.server.is_reusable(),
                    "a server is cleaned unclean"
                );
                self.told.returned += 1;
                self.free = Some(returning.server);
            }
            Next::Hopeless => self.told.lost += 1,
            Next::Wait | Next::Cancel => self.cleaned = Some(returning),
        }
    }

    /// What is kept is bounded.
    fn check(&mut self) {
        let (held, unsent) = self.session.buffered();
        assert!(held <= SCRATCH && unsent <= 2 * SCRATCH, "{held}, {unsent}");
        if let Some(server) = self.session.server() {
            let (held, unsent) = server.buffered();
            assert!(
                held <= UNDERSTOOD_MAX as usize + HEADER_LEN && unsent <= SCRATCH,
                "{held}, {unsent}"
            );
        }
    }

    /// ReadyForQuery that the client got.
    fn readies(&self) -> usize {
        let kinds = self.walk().0;
        kinds
            .filter(|&kind| kind == backend::READY_FOR_QUERY)
            .count()
    }

    /// The kinds of messages that the client got, and whether the last one is in pieces.
    fn walk(&self) -> (impl Iterator<Item = u8>, bool) {
        let output = &self.session.client.output;
        let (mut at, mut kinds) = (0, Vec::new());
        while at < output.len() {
            let header = frame::header(&output[at..]).expect("the client gets messages");
            match header {
                Some(header) if at + header.message_len() <= output.len() => {
                    kinds.push(header.kind);
                    at += header.message_len();
                }
                _ => return (kinds.into_iter(), true),
            }
        }
        (kinds.into_iter(), false)
    }

    /// A session that the server's fault ended has told its client, unless that was in the middle of a message. Or
    /// the server did: some say goodbye and go on.
    fn ends(&mut self, end: &End) {
        let is_told = match end {
            End::ServerBroken(_) | End::Settings(_) | End::Transaction | End::Pinned(_) => true,
            End::ServerGone { told } => *told,
            End::Terminated | End::ClientGone | End::Violation(_) | End::Ended => false,
        };
        let is_pending = self.session.buffered().1 > 0;
        let (mut kinds, is_torn) = self.walk();
        if is_told && !is_torn && !is_pending {
            let error = kinds.find(|&kind| kind == backend::ERROR_RESPONSE);
            assert!(error.is_some(), "nobody told the client: {end:?}");
        }
    }

    fn finish(mut self) -> Told {
        let messages = self.walk().0.count();
        self.told.messages = u32::try_from(messages).expect("few");
        self.told
    }
}
