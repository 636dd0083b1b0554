use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgweir_config::{PasswordCommand, PasswordSource, Secret, ServerAddress, ServerPassword};
use tempfile::TempDir;

use super::command::CommandError;
use super::{FetchError, Fetched, Place, Vault};

const RETRY: Duration = Duration::from_secs(15);

/// A vault, and a folder for files that it reads and programs leave traces in.
struct Run {
    vault: Vault,
    folder: TempDir,
    server: ServerAddress,
}

impl Run {
    fn new() -> Self {
        Self {
            vault: Vault::default(),
            folder: tempfile::tempdir().unwrap(),
            server: ServerAddress::Tcp {
                host: "db".to_owned(),
                port: 5432,
            },
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn place<'a>(&'a self, user: &'a str) -> Place<'a> {
        Place {
            server: &self.server,
            database: "shop",
            user,
            retry: RETRY,
        }
    }

    fn file(&self, content: &str) -> ServerPassword {
        let path = self.path("secret");
        fs::write(&path, content).unwrap();
        ServerPassword::Fetched(PasswordSource::File(path))
    }

    fn passfile(&self, content: &str, mode: u32) -> ServerPassword {
        let path = self.path("pgpass");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        ServerPassword::Fetched(PasswordSource::Passfile(path))
    }

    /// A script that leaves a line in `runs` and does something else then.
    fn script(&self, ttl: u64, script: &str) -> ServerPassword {
        let runs = self.path("runs");
        let script = format!("echo x >> '{}'; {script}", runs.display());
        ServerPassword::Fetched(PasswordSource::Command(PasswordCommand {
            argv: ["/bin/sh", "-c", &script].map(str::to_owned).into(),
            ttl: Duration::from_secs(ttl),
        }))
    }

    fn runs(&self) -> usize {
        let text = fs::read_to_string(self.path("runs")).unwrap_or_default();
        text.lines().count()
    }

    async fn fetch(&self, password: &ServerPassword) -> Result<Fetched, FetchError> {
        self.vault.fetch(password, self.place("alice")).await
    }

    async fn refused(
        &self,
        password: &ServerPassword,
        used: &Fetched,
    ) -> Option<Result<Fetched, FetchError>> {
        let place = self.place("alice");
        self.vault.refused(password, place, used).await
    }
}

fn plain(fetched: &Fetched) -> &str {
    match &fetched.secret {
        Some(Secret::Plain(password)) => password,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_read_again_when_its_password_is_refused() {
    let run = Run::new();
    let file = run.file("old\n");
    let first = run.fetch(&file).await.unwrap();
    assert_eq!(plain(&first), "old");
    run.file("new\n");
    // Until then what was read is used.
    let kept = run.fetch(&file).await.unwrap();
    assert_eq!(plain(&kept), "old");
    let renewed = run.refused(&file, &kept).await.unwrap().unwrap();
    assert_eq!(plain(&renewed), "new");
    // Another login that was refused with the old one gets the new one, too.
    let other = run.refused(&file, &kept).await.unwrap().unwrap();
    assert_eq!(plain(&other), "new");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_did_not_change_is_not_tried_twice() {
    let run = Run::new();
    let file = run.file("same");
    let fresh = run.fetch(&file).await.unwrap();
    assert_eq!(run.refused(&file, &fresh).await, None);
    let kept = run.fetch(&file).await.unwrap();
    assert_eq!(run.refused(&file, &kept).await, None);
    run.file("other");
    // The file is left alone for a while, then read again.
    assert_eq!(plain(&run.fetch(&file).await.unwrap()), "same");
    tokio::time::sleep(RETRY).await;
    assert_eq!(plain(&run.fetch(&file).await.unwrap()), "other");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_renewed_and_refused_again_is_left_alone_for_a_while() {
    let run = Run::new();
    let file = run.file("old");
    run.fetch(&file).await.unwrap();
    run.file("new");
    let kept = run.fetch(&file).await.unwrap();
    let renewed = run.refused(&file, &kept).await.unwrap().unwrap();
    let place = run.place("alice");
    run.vault.gives_no_better(&file, place, &renewed).await;
    run.file("newer");
    let kept = run.fetch(&file).await.unwrap();
    assert_eq!(plain(&kept), "new");
    assert_eq!(run.refused(&file, &kept).await, None);
    tokio::time::sleep(RETRY).await;
    assert_eq!(plain(&run.fetch(&file).await.unwrap()), "newer");
}

#[tokio::test]
async fn a_reload_forgets_what_was_read() {
    let run = Run::new();
    let file = run.file("old");
    assert_eq!(plain(&run.fetch(&file).await.unwrap()), "old");
    run.file("new");
    run.vault.clear();
    assert_eq!(plain(&run.fetch(&file).await.unwrap()), "new");
}

#[tokio::test]
async fn a_file_without_a_password_is_an_error() {
    let run = Run::new();
    let empty = run.file("\n");
    let error = run.fetch(&empty).await.unwrap_err();
    assert!(error.to_string().ends_with("/secret: is empty"), "{error}");
    let missing = ServerPassword::Fetched(PasswordSource::File(run.path("none")));
    let error = run.fetch(&missing).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn a_passfile_is_for_its_owner_alone() {
    let run = Run::new();
    let line = "db:5432:shop:alice:hush\n";
    let shared = run.passfile(line, 0o640);
    assert_eq!(run.fetch(&shared).await.unwrap().secret, None);
    run.passfile(line, 0o600);
    run.vault.clear();
    assert_eq!(plain(&run.fetch(&shared).await.unwrap()), "hush");
    let bob = run.vault.fetch(&shared, run.place("bob")).await.unwrap();
    assert_eq!(bob.secret, None);
}

#[tokio::test]
async fn a_command_runs_once_for_all_that_need_it() {
    let run = Run::new();
    let token = run.script(600, "sleep 0.1; echo $PGUSER@$PGHOST:$PGPORT");
    let logins = (0..20).map(|_| run.fetch(&token));
    for fetched in futures_of(logins).await {
        assert_eq!(plain(&fetched.unwrap()), "alice@db:5432");
    }
    assert_eq!(run.runs(), 1);
    // Another user has a token of its own.
    let bob = run.vault.fetch(&token, run.place("bob")).await.unwrap();
    assert_eq!(plain(&bob), "bob@db:5432");
    assert_eq!(run.runs(), 2);
}

#[tokio::test]
async fn a_command_runs_again_when_its_password_is_refused_or_old() {
    let run = Run::new();
    let counted = format!("wc -l < '{}'", run.path("runs").display());
    let token = run.script(600, &counted);
    let first = run.fetch(&token).await.unwrap();
    assert_eq!(plain(&first), "1");
    let kept = run.fetch(&token).await.unwrap();
    assert_eq!(plain(&kept), "1");
    let renewed = run.refused(&token, &kept).await.unwrap().unwrap();
    assert_eq!(plain(&renewed), "2");
    // What was just made is not made again at once, by whichever login.
    assert_eq!(run.refused(&token, &renewed).await, None);
    let again = run.fetch(&token).await.unwrap();
    assert_eq!(run.refused(&token, &again).await, None);
    assert_eq!(run.runs(), 2);
    let once = run.script(0, &counted);
    assert_eq!(plain(&run.fetch(&once).await.unwrap()), "3");
    assert_eq!(plain(&run.fetch(&once).await.unwrap()), "4");
}

#[tokio::test]
async fn a_command_that_fails_says_nothing_of_its_output_and_is_not_run_again_at_once() {
    for (script, expected) in [
        ("echo hush; exit 3", "failed, exit status: 3"),
        ("true", "printed nothing"),
        ("echo", "printed nothing"),
        (
            "printf 'hush\\nhush\\n'",
            "printed something else than one line of text",
        ),
        (
            "printf 'hush\\377'",
            "printed something else than one line of text",
        ),
        ("yes hush", "printed more than 8192 bytes and was killed"),
    ] {
        let run = Run::new();
        let token = run.script(600, script);
        let error = run.fetch(&token).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(text, format!("password_command /bin/sh: {expected}"));
        assert!(!text.contains("hush") && !format!("{error:?}").contains("hush"));
        assert_eq!(run.fetch(&token).await, Err(error));
        assert_eq!(run.runs(), 1, "{script}");
    }
    let run = Run::new();
    let missing = ServerPassword::Fetched(PasswordSource::Command(PasswordCommand {
        argv: vec!["/nowhere/token".to_owned()],
        ttl: Duration::ZERO,
    }));
    let error = run.fetch(&missing).await.unwrap_err().to_string();
    assert!(error.contains("cannot be run: No such file"), "{error}");
}

/// Time stands still while a program prints, and passes at once when all wait for it.
#[tokio::test(start_paused = true)]
async fn a_command_that_takes_too_long_is_killed_and_tried_again_later() {
    let run = Run::new();
    let token = run.script(600, "sleep 1000");
    let started = tokio::time::Instant::now();
    let error = run.fetch(&token).await.unwrap_err();
    let timeout = FetchError::Command("/bin/sh".to_owned(), CommandError::Timeout);
    assert_eq!(error, timeout);
    assert_eq!(started.elapsed().as_secs(), 10);
    assert_eq!(run.fetch(&token).await, Err(timeout));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn what_a_command_has_started_ends_with_it() {
    let run = Run::new();
    let child = run.path("child");
    let script = format!("sleep 1000 & echo $! > '{}'; yes hush", child.display());
    let token = run.script(600, &script);
    run.fetch(&token).await.unwrap_err();
    let pid = fs::read_to_string(&child).unwrap();
    let stat = Path::new("/proc").join(pid.trim()).join("stat");
    let has_ended = || fs::read_to_string(&stat).is_ok_and(|s| s.contains(") Z")) || !stat.exists();
    for _ in 0..500 {
        if has_ended() {
            return;
        }
        // The system ends it a moment after the signal.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it still runs");
}

async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs = Vec::new();
    // Polled together, so that all of them wait.
    let mut done = vec![false; futures.len()];
    std::future::poll_fn(move |context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if !*done && let std::task::Poll::Ready(output) = future.as_mut().poll(context) {
                outputs.push(output);
                *done = true;
            }
        }
        if done.iter().all(|done| *done) {
            std::task::Poll::Ready(std::mem::take(&mut outputs))
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}
