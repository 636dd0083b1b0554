//! A real LDAP server.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pgweir_cluster::{EndSignal, Watchdog, random_hex};

use crate::authority::Identity;
use crate::pooler::free_port;
use crate::wait::eventually;

/// A running slapd with the entries of a test below `dc=example,dc=com`. Dropped, it is killed, and its
/// folder is gone.
#[derive(Debug)]
pub struct Directory {
    child: Child,
    port: u16,
    tls_port: u16,
    folder: PathBuf,
    watchdog: Watchdog,
}

impl Directory {
    /// Starts one with entries in LDIF, and with TLS if it has a certificate. Only `cn=reader`, whose password
    /// is `reads`, may search. `None` where slapd is not installed, which is printed.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn start(entries: &str, identity: Option<&Identity>) -> Option<Self> {
        if !Path::new(SLAPD).exists() {
            eprintln!("skipped: slapd is not installed (Debian: apt-get install slapd)");
            return None;
        }
        let name = format!("pgweir-slapd-{}", random_hex(6).expect("random bytes"));
        let folder = std::env::temp_dir().join(name);
        let mut watchdog = Watchdog::start(&folder).expect("the watchdog starts");
        fs::create_dir_all(folder.join("data")).expect("a folder can be made");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).expect("it can be written");
            path.display().to_string()
        };
        let mut config = CONFIG.replace("FOLDER", &folder.display().to_string());
        if let Some(identity) = identity {
            let certificate = write("certificate.pem", &identity.certificate);
            let key = write("key.pem", &identity.key);
            let lines = format!("TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n");
            config.insert_str(0, &lines);
        }
        let config = write("slapd.conf", &config);
        let entries = write("entries.ldif", &format!("{BASE}{entries}"));
        let added = Command::new(SLAPD)
            .args(["-T", "add", "-f", &config, "-l", &entries])
            .output()
            .expect("slapadd runs");
        assert!(added.status.success(), "{added:?}");
        let (port, tls_port) = (free_port(), free_port());
        let mut urls = format!("ldap://127.0.0.1:{port}");
        if identity.is_some() {
            urls.push_str(&format!(" ldaps://127.0.0.1:{tls_port}"));
        }
        let log = File::create(folder.join("log")).expect("the log can be made");
        let child = Command::new(SLAPD)
            .args(["-d", "0", "-f", &config, "-h", &urls])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("slapd starts");
        watchdog
            .watch(child.id(), EndSignal::Terminate)
            .expect("the watchdog lives");
        eventually("slapd listens", || {
            let ports = [Some(port), identity.map(|_| tls_port)];
            let mut ports = ports.into_iter().flatten();
            ports
                .all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok())
                .then_some(())
        });
        Some(Self {
            child,
            port,
            tls_port,
            folder,
            watchdog,
        })
    }

    /// Its port, in the clear at first.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its port with TLS from the first byte on.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Dead, it needs neither to be killed nor waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.watchdog.forget(self.child.id());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const SLAPD: &str = "/usr/sbin/slapd";

const CONFIG: &str = "\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix \"dc=example,dc=com\"
directory FOLDER/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"cn=reader,dc=example,dc=com\" read by * auth
";

const BASE: &str = "\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: example

dn: cn=reader,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reads

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

";
