//! Databases that a file of settings lists, and the programs that they make.

use pgweir_advisor::facts::Origin;

use crate::inventory::{Address, Program, Scheme, Text, Unknown};

/// A database that a program connects to with a pool of its own.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// Its name in the file, such as `primary` or `default`.
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) size: Size,
}

/// The size of a pool.
#[derive(Debug, Clone)]
pub(crate) enum Size {
    /// How many connections, who says so, and where.
    Known(u64, String, Origin),
    /// The same, unless something else says it.
    Default(u64, String, Origin),
    /// Not known, and why.
    Unknown(Unknown),
    /// The file says nothing of it: whoever runs the program does.
    Unsaid,
}

impl Size {
    /// The number in a text; 0 and anything else is not known.
    pub(crate) fn of(text: &Text, by: &str) -> Self {
        match text.known().map(|known| known.trim().parse::<u64>()) {
            Some(Ok(size)) if size > 0 => Self::Known(size, by.to_owned(), text.origin.clone()),
            Some(_) => Self::not_plain(format!("{by} is no number"), text.origin.clone()),
            None => Self::not_plain(
                format!(
                    "{by} is {}, which none of the files says",
                    text.gaps().join(" and ")
                ),
                text.origin.clone(),
            ),
        }
    }

    /// A size that is not plain.
    pub(crate) fn not_plain(what: impl Into<String>, origin: Origin) -> Self {
        Self::Unknown(Unknown {
            what: what.into(),
            add: "set pool of the service in fleet.toml".to_owned(),
            key: Some("pool"),
            origin,
        })
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Known(size, ..) | Self::Default(size, ..) => Some(*size),
            Self::Unknown(_) | Self::Unsaid => None,
        }
    }
}

impl Address {
    /// An address of which only the kind of database is known.
    pub(crate) fn of_kind(scheme: Scheme, by: impl Into<String>, origin: Origin) -> Self {
        Self {
            scheme,
            host: Text::default(),
            port: Text::default(),
            database: Text::default(),
            user: Text::default(),
            parameters: Vec::new(),
            by: by.into(),
            origin,
        }
    }

    /// An address that is one value which is not known.
    pub(crate) fn unknown(value: Text, by: impl Into<String>) -> Self {
        let mut address = Self::of_kind(Scheme::Unsaid, by, value.origin.clone());
        address.host = value;
        address
    }
}

/// The programs that databases make: one for each server and size, with the number of its databases, so
/// that each can be planned where it belongs. The first has the name of the file, the others that of their
/// database. Databases of other kinds go with the first.
pub(crate) fn programs(file: Origin, databases: Vec<Database>) -> Vec<Program> {
    let mut programs: Vec<(Vec<Database>, Program)> = Vec::new();
    let mut others = Vec::new();
    for database in databases {
        if let Scheme::Other(_) = database.address.scheme {
            others.push(database.address);
            continue;
        }
        let known = programs.iter_mut().find(|(together, _)| {
            together[0].size.number() == database.size.number()
                && same_server(&together[0].address, &database.address)
        });
        match known {
            Some((together, _)) => together.push(database),
            None => {
                let program = Program {
                    name: (!programs.is_empty()).then(|| database.name.clone()),
                    origin: file.clone(),
                    ..Program::default()
                };
                programs.push((vec![database], program));
            }
        }
    }
    let finished = programs
        .into_iter()
        .map(|(together, program)| finish(together, program));
    let mut programs: Vec<Program> = finished.collect();
    if programs.is_empty() && !others.is_empty() {
        programs.push(Program {
            origin: file,
            ..Program::default()
        });
    }
    if let Some(first) = programs.first_mut() {
        first.addresses.extend(others);
    }
    programs
}

fn same_server(one: &Address, other: &Address) -> bool {
    let same = |one: &Text, other: &Text| {
        one.with_gaps() == other.with_gaps() && one.gaps() == other.gaps()
    };
    same(&one.host, &other.host) && same(&one.port, &other.port)
}

fn finish(together: Vec<Database>, mut program: Program) -> Program {
    // The same database twice, such as a role for reading, is a pool of its own too.
    let count = u64::try_from(together.len()).unwrap_or(u64::MAX);
    if let Some(first) = together.first().filter(|_| count > 1) {
        let names: Vec<&str> = together
            .iter()
            .map(|database| database.name.as_str())
            .collect();
        let by = format!("databases {}", names.join(", "));
        program.give("dsns", count, by, first.address.origin.clone());
    }
    for database in together {
        match database.size {
            Size::Known(size, by, origin) => {
                if !program.says("pool") {
                    program.give("pool", size, by, origin);
                }
            }
            Size::Default(size, by, origin) => program.assume("pool", size, by, origin),
            Size::Unknown(unknown) => program.unknown.push(unknown),
            Size::Unsaid => {}
        }
        program.addresses.push(database.address);
    }
    program
}
