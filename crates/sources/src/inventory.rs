//! What all files say together, before anything is decided.
//!
//! Readers only collect: a reader adds what its file says, with the line of everything, and names what it
//! does not understand. Who is a service, what goes through which pooler and which PostgreSQL is meant is
//! decided afterwards from all files at once, so that it does not depend on their order.

mod program;
mod text;

pub use program::{Address, Program, Scheme, Setting};
pub(crate) use text::last_of_each;
pub use text::{Text, Variable};

use std::collections::HashMap;

use pgweir_advisor::facts::{Observation, Origin};
use pgweir_advisor::fleet::Section;

/// Everything that was said.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Programs that run in containers.
    pub workloads: Vec<Workload>,
    /// Names by which something is reached.
    pub endpoints: Vec<Endpoint>,
    /// PostgreSQL servers that are described otherwise than as a container.
    pub servers: Vec<Server>,
    /// Poolers that are described otherwise than as a container.
    pub poolers: Vec<Pooler>,
    /// What settings of applications say, each with the file that it is from.
    pub programs: Vec<(String, Program)>,
    /// The files that say it, and their texts: what they say depends on the variables that they are read
    /// with.
    pub settings: Vec<(String, String)>,
    /// Variables of environment files, by the root of the application that they belong to.
    pub variables: HashMap<String, Vec<Variable>>,
    /// What could open connections and is not understood.
    pub unknown: Vec<Unknown>,
    /// What does not do what its author meant, and what is left out.
    pub observations: Vec<Observation>,
}

/// Something that could open connections to PostgreSQL and is not understood. A plan with one of these is
/// never OK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What it is, and what is not understood, such as `DATABASE_URL of api is in the Secret db, which is
    /// in none of the files`.
    pub what: String,
    /// What to add, such as `add the file of the Secret to --from`.
    pub add: String,
    /// The setting of `[services.NAME]` that answers it, such as `pool`, if one does.
    pub key: Option<&'static str>,
    /// Where.
    pub origin: Origin,
}

/// Where names are looked up: names of one place mean nothing in another.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A project of docker-compose, by its folder.
    Project(String),
    /// A namespace of Kubernetes.
    Namespace(String),
    /// No place: files of an application, and networks outside.
    #[default]
    Outside,
}

/// A program that runs in containers: a service of docker-compose, a Deployment, a Job.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// Where it runs.
    pub place: Place,
    /// `service` in docker-compose, else the kind in the manifest.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Labels of its pods.
    pub labels: Vec<(String, String)>,
    /// How many instances there are.
    pub replicas: Count,
    /// What a rollout adds, as `maxSurge` has it; `None`: the default of its kind.
    pub surge: Option<(String, Origin)>,
    /// Its containers, those that start first before the others.
    pub containers: Vec<Container>,
    /// The folder that it is built from.
    pub build: Option<String>,
    /// Networks that it is in; empty where all are in one.
    pub networks: Vec<String>,
    /// What has to be asked for before it runs at all, such as the profile `debug`.
    pub only_with: Option<String>,
    /// Where it is described.
    pub origin: Origin,
}

/// How many instances there are.
#[derive(Debug, Clone, Default)]
pub struct Count {
    /// At most.
    pub max: Option<Text>,
    /// At least, where it differs.
    pub min: Option<Text>,
    /// Why nobody can know it from the files, such as `one for each node`.
    pub unknown: Option<&'static str>,
}

/// A container.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image; empty where it is built or not said.
    pub image: Text,
    /// Its entry point and arguments.
    pub command: Vec<Text>,
    /// Its variables, each name once.
    pub variables: Vec<Variable>,
    /// Sets of variables that are in none of the files, such as `the Secret db`.
    pub missing: Vec<(String, Origin)>,
    /// Files that are mounted.
    pub files: Vec<Mounted>,
    /// Ports that it says it listens on: name and number.
    pub ports: Vec<(String, String)>,
    /// Memory that it may have, as it is written.
    pub memory: Option<(String, Origin)>,
    /// Names of what it waits for or is linked to.
    pub needs: Vec<String>,
    /// When it runs.
    pub role: Role,
    /// Where it is described.
    pub origin: Origin,
}

/// When a container of a workload runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// As long as its instance.
    #[default]
    Main,
    /// Before the others, and ends before they start.
    Init,
}

/// A file in a container.
#[derive(Debug, Clone)]
pub struct Mounted {
    /// Where it is in the container.
    pub at: String,
    /// Where its text stands: a file, or a key of a ConfigMap.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A name by which something is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where the name is known.
    pub place: Place,
    /// The name, without a domain.
    pub name: String,
    /// What it leads to.
    pub target: Target,
    /// Ports: the one that is connected to, and the one of the container (a number or a name).
    pub ports: Vec<(String, String)>,
    /// Where it is said.
    pub origin: Origin,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The workload of this name in the same place.
    Workload(String),
    /// The workloads of the same place whose pods have all of these labels.
    Selector(Vec<(String, String)>),
    /// The PostgreSQL of this name in the same place.
    Server(String),
    /// The pooler of this name in the same place.
    Pooler(String),
    /// The workload of this name in another place.
    Elsewhere(Place, String),
    /// A host elsewhere.
    Host(String),
}

/// A PostgreSQL server that is described otherwise than as a container.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where its name is known.
    pub place: Place,
    /// Its name; empty for a `postgresql.conf`, which has none.
    pub name: String,
    /// `[database]`.
    pub section: Section,
}

/// A pooler that is described otherwise than as a container.
#[derive(Debug, Clone)]
pub struct Pooler {
    /// Where its name is known.
    pub place: Place,
    /// Its name; empty for a `pgbouncer.ini`, which has none.
    pub name: String,
    /// How many instances there are.
    pub replicas: Count,
    /// `[pooler]`.
    pub section: Section,
    /// Where it connects to.
    pub upstream: Vec<Address>,
}
