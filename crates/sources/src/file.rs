//! A file that is read: its name, its text, and where in it a line is.

use std::path::Path;

use pgweir_advisor::facts::Origin;

use super::names::service_name;

/// A file's name and text.
pub(crate) struct SourceFile<'a> {
    /// As the operator named it.
    pub(crate) name: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
}

impl SourceFile<'_> {
    /// A line of it, counted from 1.
    pub(crate) fn line(&self, line: usize) -> Origin {
        Origin::line(self.name.into(), u32::try_from(line).unwrap_or(u32::MAX))
    }

    /// A name for the service that it belongs to: the name of the file or of its folder.
    pub(crate) fn service(&self) -> String {
        let path = Path::new(self.name);
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let generic = stem.starts_with('.') || ["schema", "www", "main", "env"].contains(&stem);
        let folders = path
            .ancestors()
            .skip(1)
            .filter_map(|folder| folder.file_name()?.to_str());
        let mut folders = folders.filter(|name| !["prisma", "src"].contains(name));
        let name = if generic {
            folders.next().unwrap_or("app")
        } else {
            stem
        };
        service_name(name)
    }
}
