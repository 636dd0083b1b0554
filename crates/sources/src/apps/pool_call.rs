//! Calls in source code that make a pool: what they are given.

use pgweir_advisor::facts::Origin;

use crate::inventory::{Address, Program, Scheme, Text};

use super::address::address;
use super::code::{Call, Code, Field};
use super::databases::{self, Database, Size};

/// The arguments of a call.
pub(crate) struct Arguments<'c, 'a> {
    pub(crate) code: &'c Code<'a>,
    /// Positional ones.
    pub(crate) plain: Vec<std::ops::Range<usize>>,
    /// Those with names, and the fields of objects among the positional ones.
    pub(crate) fields: Vec<Field>,
    pub(crate) origin: Origin,
    /// How many of those without a name are no options, such as a URL.
    pub(crate) places: usize,
}

impl<'c, 'a> Arguments<'c, 'a> {
    /// Arguments of a call in Python: names are in the call itself.
    pub(crate) fn of_python(code: &'c Code<'a>, call: &Call) -> Self {
        let mut arguments = Self::empty(code, call);
        for item in code.items(call.arguments.clone()) {
            let spread = code.plain()[item.clone()].starts_with("**");
            match code.keyword(item.clone()) {
                Some(field) => arguments.fields.push(field),
                None if spread => arguments.fields.push(Field {
                    key: "**".to_owned(),
                    value: item.start + 2..item.end,
                }),
                None => arguments.plain.push(item),
            }
        }
        arguments
    }

    /// Arguments of a call in JavaScript: names are in objects.
    pub(crate) fn of_script(code: &'c Code<'a>, call: &Call) -> Self {
        let mut arguments = Self::empty(code, call);
        for item in code.items(call.arguments.clone()) {
            match code.object(item.clone()) {
                Some(inside) => arguments.fields.extend(code.fields(inside)),
                None => arguments.plain.push(item),
            }
        }
        arguments
    }

    fn empty(code: &'c Code<'a>, call: &Call) -> Self {
        Self {
            code,
            plain: Vec::new(),
            fields: Vec::new(),
            origin: code.origin(call.at),
            places: usize::MAX,
        }
    }

    /// The same, where all but the first so many arguments without a name are options.
    pub(crate) fn with_places(self, places: usize) -> Self {
        Self { places, ..self }
    }

    /// The arguments with the fields of an object in them instead, such as `pool` or `connection`.
    pub(crate) fn nested(&self, key: &str) -> Option<Self> {
        let field = self.field(key)?;
        let inside = self.code.object(field.value.clone())?;
        Some(Self {
            code: self.code,
            plain: Vec::new(),
            fields: self.code.fields(inside),
            origin: self.origin.clone(),
            places: 0,
        })
    }

    pub(crate) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// The value of the first of these names that is there.
    pub(crate) fn get(&self, keys: &[&str]) -> Option<Text> {
        let field = keys.iter().find_map(|key| self.field(key))?;
        let value = self.code.value(field.value.clone());
        // None and null are nothing.
        Some(value).filter(|value| !value.is_empty())
    }

    /// The value of a positional argument.
    pub(crate) fn at(&self, place: usize) -> Option<Text> {
        Some(self.code.value(self.plain.get(place)?.clone()))
    }

    /// Whether more is given than can be seen: `**options`, `...base`, or an object that is made elsewhere.
    pub(crate) fn is_open(&self) -> bool {
        let mut keys = self.fields.iter().map(|field| field.key.as_str());
        keys.any(|key| ["**", "..."].contains(&key)) || self.plain.len() > self.places
    }

    /// The size that one of these names gives, else what the library has by default.
    pub(crate) fn size(&self, keys: &[&str], library: &str, default: u64) -> Size {
        match self.get(keys) {
            Some(text) => Size::of(&text, &format!("{} of {library}", keys[0])),
            None if self.is_open() => Size::not_plain(
                format!("{library} is given options that are not seen in this place"),
                self.origin.clone(),
            ),
            None => Size::Default(
                default,
                format!("the default of {library}"),
                self.origin.clone(),
            ),
        }
    }

    /// The address: a URL under one of these names or in this place, or its parts.
    pub(crate) fn address(&self, by: &str, urls: &[&str], place: Option<usize>) -> Address {
        let url = self.get(urls).or_else(|| self.at(place?));
        // The parts beside a URL that is not known are what it is instead.
        let url = url.filter(|url| url.known().is_some() || self.field("host").is_none());
        let mut found = match url {
            Some(url) => address(by, &url).unwrap_or_else(|| Address::unknown(url, by)),
            None => Address::of_kind(Scheme::Unsaid, by, self.origin.clone()),
        };
        let fill = |part: &mut Text, keys: &[&str]| {
            if part.is_empty() {
                *part = self.get(keys).unwrap_or_default();
            }
        };
        fill(&mut found.host, &["host"]);
        fill(&mut found.port, &["port"]);
        fill(&mut found.database, &["database", "dbname"]);
        fill(&mut found.user, &["user", "username"]);
        found.origin = self.origin.clone();
        found
    }
}

/// A pool of PostgreSQL, unless its address is one of another database.
pub(crate) fn postgres(code: &Code<'_>, call: &Call, mut address: Address, size: Size) -> Database {
    if address.scheme == Scheme::Unsaid {
        address.scheme = Scheme::Postgres;
    }
    Database {
        name: code.assigned(call.at).unwrap_or_else(|| "pool".to_owned()),
        address,
        size,
    }
}

/// The programs of pools that source code makes.
pub(crate) fn programs(
    code: &Code<'_>,
    pools: Vec<Database>,
    kind: Option<&'static str>,
) -> Vec<Program> {
    let mut programs = databases::programs(code.settings.whole(), pools);
    for program in &mut programs {
        program.kind = kind.map(|kind| (kind, code.settings.whole()));
    }
    if programs.is_empty() {
        programs.push(Program {
            origin: code.settings.whole(),
            ..Program::default()
        });
    }
    programs
}
