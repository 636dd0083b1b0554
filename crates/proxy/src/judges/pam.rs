//! PAM, which is asked in processes of its own: its modules block, fork, and may change the user of the
//! process that they run in.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pgweir_config::Config;
use pgweir_pam::{ARGUMENT, Answer, Question};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Asked, Judgement};
use crate::program::Program;

/// The program that runs, also if another has taken its place on the disk.
const PROGRAM: &str = "/proc/self/exe";

/// Processes at once. Most modules answer within milliseconds; those that ask others wait for them.
const RUNS_MAX: usize = 16;

/// Time for an answer where `client_login_timeout` is off.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Longest answer.
const ANSWER_MAX: u64 = 4096;

/// See the module's description.
pub(super) struct Pam(Semaphore);

impl Default for Pam {
    fn default() -> Self {
        Self(Semaphore::new(RUNS_MAX))
    }
}

/// Why PAM said nothing.
#[derive(Debug)]
enum Failure {
    /// The process cannot be started or spoken to.
    System(io::Error),
    /// It took too long, and was killed.
    Timeout(Duration),
    /// It ended like this, without an answer.
    Ended(ExitStatus),
    /// PAM does not work, for the reason that it told.
    Broken(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "{PROGRAM} cannot be run: {error}"),
            Self::Timeout(limit) => write!(
                f,
                "no answer within {} s; a module of the service waits for somebody",
                limit.as_secs_f32()
            ),
            Self::Ended(status) => {
                write!(f, "a module of the service ended the process, {status}")
            }
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl Pam {
    /// What PAM says of a password; `None` if it cannot be asked, which the log says.
    ///
    /// # Cancel safety
    /// Dropped, it kills the process.
    pub(super) async fn ask(
        &self,
        config: &Config,
        service: &str,
        (asked, host): (Asked<'_>, &str),
    ) -> Option<Judgement> {
        let user = asked.user;
        let question = Question::new(service, user, asked.password, host);
        let Some(question) = question else {
            return Some(Judgement::Wrong(Duration::ZERO));
        };
        let limit = config.client_login_timeout.unwrap_or(TIME_MAX);
        let answer = timeout(limit, self.run(&question)).await;
        match answer.unwrap_or(Err(Failure::Timeout(limit))) {
            Ok(Answer::Accepted) => Some(Judgement::Right),
            Ok(Answer::Refused { why, delay }) => {
                debug!(user, service, "PAM does not let the user in: {why}");
                Some(Judgement::Wrong(delay))
            }
            Ok(Answer::Failed(why)) => unasked(service, &Failure::Broken(why)),
            Err(failure) => unasked(service, &failure),
        }
    }

    async fn run(&self, question: &Question) -> Result<Answer, Failure> {
        let _turn = self.0.acquire().await.expect("it is never closed");
        let mut command = Command::new(PROGRAM);
        command.arg(ARGUMENT).stdin(Stdio::piped());
        let mut program = Program::start(&mut command)?;
        let mut input = program.0.stdin.take().expect("it is piped");
        input.write_all(&question.encode()).await?;
        drop(input);
        let output = program.0.stdout.take().expect("it is piped");
        let mut answer = Vec::new();
        output.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        let status = program.0.wait().await?;
        Answer::decode(&answer)
            .filter(|_| status.success())
            .ok_or(Failure::Ended(status))
    }
}

fn unasked(service: &str, failure: &Failure) -> Option<Judgement> {
    warn!(service, "PAM cannot be asked: {failure}");
    None
}
