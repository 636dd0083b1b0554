//! What holds for all files: their order means nothing, a file less counts less, and nothing makes a
//! reader panic.

use pgweir_advisor::fleet;
use proptest::prelude::*;

use super::{Reading, fleets};

/// A part of a fleet: a file of its own, and how many connections it opens.
#[derive(Debug, Clone)]
struct Part {
    file: String,
    text: String,
    connections: u64,
}

/// A program in one of the forms that files have.
fn part(number: usize, form: u8, replicas: u64, pool: u64) -> Part {
    let host = "db.example.internal";
    let url = format!("postgres://u@{host}/x?connection_limit={pool}");
    let name = format!("s{number}");
    let (file, text, replicas) = match form {
        0 => (
            format!("p{number}/compose.yml"),
            format!(
                "services:\n  {name}:\n    image: x\n    environment: {{DATABASE_URL: '{url}'}}\n    scale: {replicas}\n"
            ),
            replicas,
        ),
        1 => (
            format!("k{number}.yaml"),
            format!(
                "kind: StatefulSet\nmetadata: {{name: {name}}}\nspec: {{replicas: {replicas}, template: {{spec: {{containers: [{{name: x, \
                 image: x, env: [{{name: PG_URL, value: '{url}'}}]}}]}}}}}}\n"
            ),
            replicas,
        ),
        2 => (
            format!("{name}/.env"),
            format!("# the database\nDB_URL=\"{url}\"\n"),
            1,
        ),
        3 => (
            format!("{name}/www.conf"),
            format!("[www]\npm = static\npm.max_children = {pool}\n"),
            1,
        ),
        _ => (
            format!("{name}/src/main.rs"),
            format!("PgPoolOptions::new().max_connections({pool})"),
            1,
        ),
    };
    Part {
        file,
        text,
        connections: replicas * pool,
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let one = (0_u8..5, 1_u64..20, 3_u64..40);
    prop::collection::vec(one, 1..8).prop_map(|all| {
        let all = all.into_iter().enumerate();
        all.map(|(number, (form, replicas, pool))| part(number, form, replicas, pool))
            .collect()
    })
}

fn read(parts: &[Part]) -> Reading {
    let files = parts
        .iter()
        .map(|part| (part.file.as_str(), part.text.as_str()));
    fleets(&files.collect::<Vec<_>>())
}

/// Services with their numbers, in the order of their names.
fn numbers(parts: &[Part]) -> Vec<(String, u64, u64)> {
    let reading = read(parts);
    assert_eq!(reading.problems, []);
    assert_eq!(reading.fleets.len(), 1);
    let facts = fleet::resolve(&reading.fleets[0], Vec::new()).unwrap();
    let services = facts.services.iter();
    let mut all: Vec<(String, u64, u64)> = services
        .map(|service| (service.name.clone(), service.replicas, service.pool.0))
        .collect();
    all.sort();
    all
}

fn connections(numbers: &[(String, u64, u64)]) -> u64 {
    numbers
        .iter()
        .map(|(_, replicas, pool)| replicas * pool)
        .sum()
}

proptest! {
    #[test]
    fn the_order_of_files_means_nothing(parts in parts(), order in any::<prop::sample::Index>()) {
        let expected = numbers(&parts);
        let mut turned = parts.clone();
        turned.rotate_left(order.index(parts.len()));
        prop_assert_eq!(&numbers(&turned), &expected);
        turned.reverse();
        prop_assert_eq!(&numbers(&turned), &expected);
    }

    #[test]
    fn a_file_less_counts_its_part_less(parts in parts(), gone in any::<prop::sample::Index>()) {
        prop_assume!(parts.len() > 1);
        let all = connections(&numbers(&parts));
        prop_assert_eq!(all, parts.iter().map(|part| part.connections).sum::<u64>());
        let mut fewer = parts.clone();
        let gone = fewer.remove(gone.index(parts.len()));
        prop_assert_eq!(connections(&numbers(&fewer)), all - gone.connections);
    }

    #[test]
    fn the_order_of_documents_means_nothing(parts in parts(), order in any::<prop::sample::Index>()) {
        let documents: Vec<&str> = parts.iter().filter(|part| part.file.ends_with(".yaml")).map(|part| part.text.as_str()).collect();
        prop_assume!(!documents.is_empty());
        let whole = |documents: &[&str]| {
            let text = documents.join("---\n");
            numbers(&[Part { file: "all.yaml".to_owned(), text, connections: 0 }])
        };
        let mut turned = documents.clone();
        turned.rotate_left(order.index(documents.len()));
        prop_assert_eq!(whole(&turned), whole(&documents));
    }

    /// Whatever stands in a file, it is read or refused.
    #[test]
    fn nothing_panics(
        kind in prop::sample::select(vec!["a.yml", "a.env", "p.ini", "www.conf", "postgresql.conf", "s.prisma", "m.rs", "a.toml", "a.json"]),
        text in "(services|kind|spec|env|a|DATABASE_URL|DB_HOST|image|\\$\\{|\\}|:|=|-| |\n|\\[|\\]|\\{|'|\"|postgres://|@|/|%|é|%4|\\?|&|5432|,|;|pm\\.max_children|PgPoolOptions|\\.max_connections\\(){0,60}",
    ) {
        fleets(&[(kind, &text)]);
    }

    /// A true file with a part of it torn out, doubled or replaced.
    #[test]
    fn a_broken_file_does_not_panic(parts in parts(), at in any::<prop::sample::Index>(), length in 0_usize..40, with in ".{0,10}") {
        for part in &parts {
            let mut letters: Vec<char> = part.text.chars().collect();
            let start = at.index(letters.len());
            let end = (start + length).min(letters.len());
            letters.splice(start..end, with.chars());
            let text: String = letters.into_iter().collect();
            fleets(&[(&part.file, &text)]);
        }
    }
}
