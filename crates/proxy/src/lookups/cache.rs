//! What was found, for as long as it holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pgweir_config::Secret;
use tokio::time::Instant;

use super::Place;

/// Answers kept at once. One has some 300 bytes, most of them the verifier.
const ENTRIES_MAX: usize = 10_000;

/// Answers of which one is that there is no such user: names that strangers make up put out others like
/// them, and not users that there are.
const NOBODIES_MAX: usize = 1000;

/// Time for which it holds that there is no such user: one that has just been made may come soon.
const NOBODY_TTL: Duration = Duration::from_secs(2);

/// What PostgreSQL said of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is no such user, or it may not log in, or it is no member of the role.
    Nobody,
    /// There is, with this secret, or with none that holds.
    User(Option<Secret>),
    /// There is, and it is a member of the role.
    Member,
}

struct Entry {
    found: Found,
    since: Instant,
    /// Its place in the order of age.
    number: u64,
}

/// What is asked: where, about which user, and whether it is a member of a role rather than for its secret.
pub(super) type Key = (Arc<Place>, Arc<str>, Option<Arc<str>>);

/// Answers by place and user, in the order of their age.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Key, Entry>,
    users: BTreeMap<u64, Key>,
    nobodies: BTreeMap<u64, Key>,
    next: u64,
}

impl Cache {
    /// The answer that holds, and its age.
    pub(super) fn get(
        &self,
        key: &Key,
        (now, ttl): (Instant, Duration),
    ) -> Option<(Found, Duration)> {
        let entry = self.entries.get(key)?;
        let age = now - entry.since;
        let holds_for = match entry.found {
            Found::Nobody => ttl.min(NOBODY_TTL),
            Found::User(_) | Found::Member => ttl,
        };
        (age < holds_for).then(|| (entry.found.clone(), age))
    }

    /// Takes an answer, in the place of an earlier one.
    pub(super) fn put(&mut self, key: Key, now: Instant, found: Found) {
        self.remove(&key);
        let number = self.next;
        self.next += 1;
        let (order, max) = match found {
            Found::Nobody => (&mut self.nobodies, NOBODIES_MAX),
            Found::User(_) | Found::Member => (&mut self.users, ENTRIES_MAX - NOBODIES_MAX),
        };
        order.insert(number, key.clone());
        let oldest = (order.len() > max).then(|| order.pop_first()).flatten();
        if let Some((_, oldest)) = oldest {
            self.entries.remove(&oldest);
        }
        let since = now;
        self.entries.insert(
            key,
            Entry {
                found,
                since,
                number,
            },
        );
    }

    /// Forgets what was said of a user, wherever.
    pub(super) fn forget(&mut self, user: &str) {
        let of_user = self.entries.keys().filter(|(_, name, _)| **name == *user);
        let keys: Vec<Key> = of_user.cloned().collect();
        for key in keys {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.users.remove(&entry.number);
            self.nobodies.remove(&entry.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use pgweir_config::{Secret, ServerAddress};
    use tokio::time::Instant;

    use super::{Cache, ENTRIES_MAX, Found, Key, NOBODIES_MAX, NOBODY_TTL};
    use crate::lookups::Place;

    const TTL: Duration = Duration::from_secs(60);

    fn key(user: &str) -> Key {
        let place = Place {
            server: ServerAddress::Unix("/x".into()),
            database: "app".to_owned(),
            user: "asker".to_owned(),
            query: "select $1".to_owned(),
        };
        (Arc::new(place), user.into(), None)
    }

    fn user() -> Found {
        Found::User(Some(Secret::Plain("x".to_owned())))
    }

    #[test]
    fn an_answer_holds_for_its_time_and_that_nobody_is_there_for_less() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(key("bob"), now, user());
        cache.put(key("eve"), now, Found::Nobody);
        let get = |cache: &Cache, user: &str, after: Duration, ttl| {
            let found = cache.get(&key(user), (now + after, ttl));
            found.map(|(found, _)| found)
        };
        let moment = Duration::from_millis(1);
        assert_eq!(get(&cache, "bob", TTL - moment, TTL), Some(user()));
        assert_eq!(get(&cache, "bob", TTL, TTL), None);
        assert_eq!(
            get(&cache, "eve", NOBODY_TTL - moment, TTL),
            Some(Found::Nobody)
        );
        assert_eq!(get(&cache, "eve", NOBODY_TTL, TTL), None);
        assert_eq!(get(&cache, "bob", Duration::ZERO, Duration::ZERO), None);
        cache.put(key("bob"), now + TTL, Found::User(None));
        assert_eq!(get(&cache, "bob", TTL, TTL), Some(Found::User(None)));
        cache.forget("bob");
        assert_eq!(get(&cache, "bob", TTL, TTL), None);
    }

    #[test]
    fn names_that_strangers_make_up_put_out_no_users() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..ENTRIES_MAX {
            cache.put(key(&format!("u{number}")), now, user());
            cache.put(key(&format!("n{number}")), now, Found::Nobody);
        }
        assert_eq!(cache.users.len(), ENTRIES_MAX - NOBODIES_MAX);
        assert_eq!(cache.nobodies.len(), NOBODIES_MAX);
        assert_eq!(cache.entries.len(), ENTRIES_MAX);
        let is_kept = |user: &str| cache.get(&key(user), (now, TTL)).is_some();
        assert!(!is_kept("u0") && !is_kept("n0"), "the oldest go");
        assert!(is_kept(&format!("u{}", NOBODIES_MAX)));
    }
}
