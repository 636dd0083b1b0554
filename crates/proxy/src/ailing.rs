//! Hosts of a database that gave way to the next one, so that the log tells of each once.

use std::sync::Mutex;

use pgweir_config::ServerAddress;

/// Those of one pool that did not answer when they were tried last. As many as the database has at most, as long as
/// the configuration stays: others are dropped with the pool.
#[derive(Debug, Default)]
pub(crate) struct Ailing(Mutex<Vec<ServerAddress>>);

/// Hosts that are remembered. Beyond, the log tells of the same one again.
const AILING_MAX: usize = 64;

impl Ailing {
    /// A host did not answer; gives whether that is news.
    pub(crate) fn fails(&self, host: &ServerAddress) -> bool {
        let mut hosts = self.0.lock().expect("no panic under the lock");
        let is_news = !hosts.contains(host);
        if is_news {
            hosts.truncate(AILING_MAX - 1);
            hosts.push(host.clone());
        }
        is_news
    }

    /// A host has let somebody in.
    pub(crate) fn answers(&self, host: &ServerAddress) {
        let mut hosts = self.0.lock().expect("no panic under the lock");
        hosts.retain(|ailing| ailing != host);
    }
}

#[cfg(test)]
mod tests {
    use super::Ailing;
    use pgweir_config::ServerAddress;

    #[test]
    fn a_host_is_news_once_until_it_answers() {
        let host = |name: &str| ServerAddress::Tcp {
            host: name.into(),
            port: 5432,
        };
        let ailing = Ailing::default();
        assert!(ailing.fails(&host("a")));
        assert!(!ailing.fails(&host("a")));
        assert!(ailing.fails(&host("b")));
        ailing.answers(&host("a"));
        assert!(ailing.fails(&host("a")));
        assert!(!ailing.fails(&host("b")));
    }
}
