//! What passes between a process and its successor: a line for each socket, in the order of the descriptors, a line for
//! each place that takes cancel requests, and one that says that this is all.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;

use super::{Listening, Place, SERVING, SERVING_MAX};

/// The first line, with the version of what follows.
const GREETING: &str = "pgweir hands over 1";
const END: &str = "all";

/// Sockets at most; the system passes 253 at once.
const SOCKETS_MAX: usize = 200;

/// Bytes of the lines at most, which a socket takes at once.
const TEXT_MAX: usize = 32 * 1024;

/// What is handed over: the sockets, and where cancel requests go.
pub(super) type Hands = (Vec<Listening>, Vec<PathBuf>);

/// Sends everything, and waits until the successor serves; false if it does not come so far.
///
/// # Errors
/// It cannot be sent.
pub(super) async fn give(
    stream: &tokio::net::UnixStream,
    sockets: &[Listening],
    cancels: &[PathBuf],
) -> io::Result<bool> {
    let text = text(sockets, cancels);
    if sockets.len() > SOCKETS_MAX || text.len() > TEXT_MAX {
        return Err(io::Error::other("there are too many sockets"));
    }
    let descriptors: Vec<_> = sockets.iter().map(|it| it.socket.as_fd()).collect();
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let text = [IoSlice::new(text.as_bytes())];
        Ok(sendmsg(stream, &text, &mut control, SendFlags::NOSIGNAL)?)
    };
    stream.writable().await?;
    let sent = stream.try_io(Interest::WRITABLE, send)?;
    if sent < text.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut answer = [0; SERVING.len()];
    let mut reader = Reader(stream);
    let answered = tokio::time::timeout(SERVING_MAX, reader.read_exact(&mut answer)).await;
    Ok(matches!(answered, Ok(Ok(_))) && answer == SERVING)
}

/// Reads from a stream that is not owned.
struct Reader<'a>(&'a tokio::net::UnixStream);

impl Reader<'_> {
    async fn read_exact(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            self.0.readable().await?;
            match self.0.try_read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => buffer = &mut buffer[len..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Receives what the process before sends.
///
/// # Errors
/// It breaks off, takes too long, or cannot be understood.
pub(super) fn receive(stream: &UnixStream) -> io::Result<Hands> {
    let (mut text, mut descriptors) = (Vec::new(), Vec::new());
    while !text.ends_with(format!("\n{END}\n").as_bytes()) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 4096];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            flags,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                descriptors.extend(sockets);
            }
        }
        if got.bytes == 0 || text.len() + got.bytes > TEXT_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&bytes[..got.bytes]);
    }
    let text = String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData)?;
    understood(&text, descriptors)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is of another version"))
}

fn text(sockets: &[Listening], cancels: &[PathBuf]) -> String {
    let mut text = format!("{GREETING}\n");
    for it in sockets {
        text.push_str(&match &it.place {
            Place::Tcp(address) => format!("tcp {address}\n"),
            Place::Http(address) => format!("http {address}\n"),
            Place::Unix(path) => format!("unix {}\n", path.display()),
            Place::Successor(path) => format!("successor {}\n", path.display()),
        });
    }
    for path in cancels {
        text.push_str(&format!("cancels {}\n", path.display()));
    }
    text.push_str(END);
    text.push('\n');
    text
}

/// The lines and their descriptors; `None` if one of them is not known, or they do not fit together.
fn understood(text: &str, descriptors: Vec<OwnedFd>) -> Option<Hands> {
    let (mut sockets, mut cancels) = (Vec::new(), Vec::new());
    let mut lines = text.lines();
    let mut descriptors = descriptors.into_iter();
    if lines.next()? != GREETING {
        return None;
    }
    for line in lines {
        if line == END {
            let is_all = descriptors.next().is_none();
            return is_all.then_some((sockets, cancels));
        }
        let (kind, value) = line.split_once(' ')?;
        let place = match kind {
            "tcp" => Place::Tcp(value.parse().ok()?),
            "http" => Place::Http(value.parse().ok()?),
            "unix" => Place::Unix(value.into()),
            "successor" => Place::Successor(value.into()),
            "cancels" => {
                cancels.push(value.into());
                continue;
            }
            _ => return None,
        };
        let socket = descriptors.next()?;
        sockets.push(Listening { place, socket });
    }
    None
}
