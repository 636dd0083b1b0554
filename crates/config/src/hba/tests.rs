use std::io;
use std::net::IpAddr;
use std::path::Path;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::Hba;
use crate::Outside;
use crate::access::{Attempt, Certificate, Channel, Method, Peer, Refused, Replication, TlsFacts};
use crate::tests::OUTSIDE;

/// Rules of the file `hba.conf` with this text, beside these files.
pub(crate) fn read(text: &str, files: &[(&str, &str)]) -> Result<Hba, Vec<String>> {
    let mut problems = Vec::new();
    let file = |path: &Path| {
        let name = path.to_str().unwrap();
        let found = files.iter().find(|(known, _)| *known == name);
        match (name, found) {
            ("hba.conf", _) => Ok(text.to_owned()),
            (_, Some((_, text))) => Ok((*text).to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    };
    let folder = |path: &Path| {
        let of = |name: &&(&str, &str)| Path::new(name.0).parent() == Some(path);
        let name = |file: &(&str, &str)| {
            let name = Path::new(file.0).file_name().unwrap();
            name.to_str().unwrap().to_owned()
        };
        Ok(files.iter().filter(of).map(name).collect())
    };
    let outside = Outside {
        file: &file,
        folder: &folder,
        ..OUTSIDE
    };
    let hba = Hba::read(Path::new("hba.conf"), &outside, &mut problems);
    problems.sort_by(|a, b| a.origin.cmp(&b.origin));
    match &*problems {
        [] => Ok(hba),
        problems => Err(problems.iter().map(|p| p.to_string()).collect()),
    }
}

/// Networks of a machine at 10.1.2.3.
fn networks() -> Vec<(IpAddr, IpAddr)> {
    let network = |address: &str, mask: &str| (address.parse().unwrap(), mask.parse().unwrap());
    vec![
        network("127.0.0.1", "255.0.0.0"),
        network("10.1.2.3", "255.255.0.0"),
        network("fd00::3", "ffff:ffff:ffff:ffff::"),
    ]
}

/// What is known of roles: this user is a member of `yes` and not of `no`.
fn is_member(role: &str) -> Option<bool> {
    match role {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// `USER@DATABASE` over what is behind it: an address, `local`, `tls`, `cert`, `physical`, `logical`.
fn decide(hba: &Hba, who: &str) -> String {
    let mut words = who.split(' ');
    let (user, database) = words.next().unwrap().split_once('@').unwrap();
    let mut channel = Channel::in_the_clear(Peer::Unix(Some(0)));
    let mut replication = Replication::No;
    for word in words {
        match word {
            "local" => {}
            "tls" => channel.tls = Some(TlsFacts::default()),
            "cert" => {
                let certificate = Some(Certificate {
                    common_name: Some(user.to_owned()),
                    distinguished_name: format!("CN={user}"),
                });
                channel.tls = Some(TlsFacts {
                    certificate,
                    binding: None,
                });
            }
            "physical" => replication = Replication::Physical,
            "logical" => replication = Replication::Logical,
            address => channel.peer = Peer::Tcp(address.parse().unwrap()),
        }
    }
    let attempt = Attempt {
        user,
        database,
        replication,
        channel: &channel,
        networks: &networks,
        is_member: &is_member,
    };
    let demand = hba.demand(&attempt);
    match demand {
        Err(Refused::NoEntry) => "none".to_owned(),
        Err(Refused::Rejected) => "reject".to_owned(),
        Err(Refused::NoCertificate) => "no certificate".to_owned(),
        Err(Refused::NotLocal) => "not local".to_owned(),
        Err(Refused::NotEncrypted) => "not encrypted".to_owned(),
        Err(Refused::UnknownMember(role)) => format!("{role}?"),
        Ok(demand) => {
            let method = match demand.method {
                Method::Any => "any",
                Method::Trust => "trust",
                Method::Password => "password",
                Method::Md5 => "md5",
                Method::ScramSha256 => "scram",
                Method::Peer => "peer",
                Method::Cert => "cert",
                Method::Jwt => "jwt",
                Method::Oauth => "oauth",
                Method::Pam => "pam",
                Method::Ldap => "ldap",
            };
            match demand.map {
                Some(map) => format!("{method} {map}"),
                None => method.to_owned(),
            }
        }
    }
}

/// What becomes of each of these under the rules.
#[track_caller]
fn check(text: &str, cases: &[(&str, &str)]) {
    check_with(text, &[], cases);
}

#[track_caller]
fn check_with(text: &str, files: &[(&str, &str)], cases: &[(&str, &str)]) {
    let hba = read(text, files).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    for (who, expected) in cases {
        assert_eq!(decide(&hba, who), *expected, "{who} under\n{text}");
    }
}

#[track_caller]
fn check_problems(text: &str, expected: &[&str]) {
    match read(text, &[]) {
        Ok(_) => panic!("no problem found in {text}"),
        Err(problems) => assert_eq!(problems, expected),
    }
}

const ISSUER: &str = "issuer=\"https://id.example.com\" scope=\"openid db\"";

#[test]
fn tokens_by_oauthbearer_are_asked_for_where_nobody_listens() {
    let text = format!(
        "local all all oauth {ISSUER}\n\
         hostnossl clear all all oauth {ISSUER} delegate_ident_mapping=1\n\
         host all all all oauth {ISSUER} map=mail\n"
    );
    check(
        &text,
        &[
            ("bob@app local", "oauth"),
            ("bob@clear 10.0.0.1", "oauth"),
            ("bob@clear 10.0.0.1 tls", "oauth mail"),
            ("bob@app 10.0.0.1 tls", "oauth mail"),
            ("bob@app 10.0.0.1", "not encrypted"),
        ],
    );
    let hba = read(&text, &[]).unwrap();
    assert_eq!(hba.taking_tokens().count(), 3);
}

#[test]
fn rules_of_tokens_say_who_issues_them() {
    let text = format!(
        "host all all all oauth\n\
         host all all all oauth issuer=https://id.example.com\n\
         host all all all oauth issuer=http://id.example.com scope=db\n\
         host all all all oauth {ISSUER} validator=lib\n\
         host all all all oauth {ISSUER} delegate_ident_mapping=yes\n\
         host all all all oauth {ISSUER} delegate_ident_mapping=1 map=mail\n\
         host all all all jwt scope=db\n"
    );
    check_problems(
        &text,
        &[
            "hba.conf:1: has method oauth, which needs issuer= and scope=",
            "hba.conf:2: has method oauth, which needs issuer= and scope=",
            "hba.conf:3: has an issuer that must be an https:// URL: who can change what it answers can let \
             anybody in",
            "hba.conf:4: has validator, a library of PostgreSQL; here auth_jwks_file or auth_jwt_secret_file \
             has the keys of tokens: remove it",
            "hba.conf:5: has delegate_ident_mapping that is not 0 or 1",
            "hba.conf:6: has map and delegate_ident_mapping, which exclude each other",
            "hba.conf:7: has scope, which only oauth uses",
        ],
    );
}

#[test]
fn the_first_rule_that_fits_decides() {
    let text = "\
        # comment\n\
        local all postgres peer map=admins\n\
        local all all scram-sha-256\n\
        host app eve 0.0.0.0/0 reject\n\
        host app all 10.0.0.0/8 md5\n\
        host app all 10.0.0.0/8 trust # never reached\n\
        host app,web bob,\"all\" 192.168.0.0 255.255.0.0 password\n";
    check(
        text,
        &[
            ("postgres@app local", "peer admins"),
            ("bob@app local", "scram"),
            ("eve@app 10.0.0.1", "reject"),
            ("eve@web 10.0.0.1", "none"),
            ("bob@app 10.0.0.1", "md5"),
            ("bob@app 11.0.0.1", "none"),
            ("bob@web 192.168.7.7", "password"),
            ("all@web 192.168.7.7", "password"),
            ("ann@web 192.168.7.7", "none"),
            ("bob@app ::1", "none"),
        ],
    );
    check(
        "",
        &[("bob@app local", "none"), ("bob@app 127.0.0.1", "none")],
    );
}

#[test]
fn encryption_picks_among_rules_for_hosts() {
    let text = "\
        hostssl a all all trust\n\
        hostnossl b all all trust\n\
        hostgssenc c all all trust\n\
        hostnogssenc d all all trust\n\
        hostssl e all all cert map=m\n\
        hostssl f all all scram-sha-256 clientcert=verify-ca\n\
        hostssl g all all md5 clientcert=verify-full clientname=DN map=m\n";
    check(
        text,
        &[
            ("u@a 1.1.1.1", "none"),
            ("u@a 1.1.1.1 tls", "trust"),
            ("u@b 1.1.1.1", "trust"),
            ("u@b 1.1.1.1 tls", "none"),
            ("u@c 1.1.1.1", "none"),
            ("u@c 1.1.1.1 tls", "none"),
            ("u@d 1.1.1.1", "trust"),
            ("u@d 1.1.1.1 tls", "trust"),
            ("u@d local", "none"),
            ("u@e 1.1.1.1 tls", "no certificate"),
            ("u@e 1.1.1.1 cert", "cert m"),
            ("u@f 1.1.1.1 tls", "no certificate"),
            ("u@f 1.1.1.1 cert", "scram"),
            ("u@g 1.1.1.1 cert", "md5 m"),
        ],
    );
}

#[test]
fn keywords_in_quotes_are_names() {
    let text = "\
        host \"all\" u all trust\n\
        host \"sameuser\" u all trust\n\
        host \"replication\" u all trust\n\
        host \"with \"\"quote\"\", and space\" u all trust\n\
        host \"@file\" \"+role\" all trust\n\
        host \"/x\" \"/y\" all trust\n";
    check(
        text,
        &[
            ("u@all 1.1.1.1", "trust"),
            ("u@app 1.1.1.1", "none"),
            ("u@sameuser 1.1.1.1", "trust"),
            ("u@u 1.1.1.1", "none"),
            ("u@replication 1.1.1.1", "trust"),
            ("u@replication 1.1.1.1 physical", "none"),
            ("+role@@file 1.1.1.1", "trust"),
            ("/y@/x 1.1.1.1", "trust"),
        ],
    );
}

#[test]
fn replication_of_a_cluster_has_rules_of_its_own() {
    let text = "\
        host all all 1.0.0.0/8 trust\n\
        host replication rep 2.0.0.0/8 md5\n\
        host app rep 2.0.0.0/8 password\n";
    check(
        text,
        &[
            ("rep@app 1.1.1.1 physical", "none"),
            ("rep@app 1.1.1.1 logical", "trust"),
            ("rep@app 2.1.1.1 physical", "md5"),
            ("rep@app 2.1.1.1 logical", "password"),
            ("bob@app 2.1.1.1 physical", "none"),
        ],
    );
}

#[test]
fn addresses_are_compared_as_far_as_their_mask_goes() {
    for (address, inside, outside) in [
        ("10.1.2.3/8", "10.9.9.9", "11.1.2.3"),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.2"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("10.0.2.0 255.0.255.0", "10.7.2.9", "10.7.3.9"),
        ("::/0", "fe80::1", "127.0.0.1"),
        ("::1/128", "::1", "::2"),
        ("fd00::/8", "fdff::1", "fc00::1"),
        ("fd00:: ff00::", "fdff::1", "fc00::1"),
        ("samehost", "10.1.2.3", "10.1.2.4"),
        ("samehost", "fd00::3", "fd00::4"),
        ("samenet", "10.1.9.9", "10.2.2.3"),
        ("samenet", "127.9.9.9", "::1"),
    ] {
        let text = format!("host all all {address} trust");
        let (inside, outside) = (format!("u@a {inside}"), format!("u@a {outside}"));
        check(&text, &[(&inside, "trust"), (&outside, "none")]);
    }
}

#[test]
fn expressions_and_sameuser_choose_by_name() {
    let text = "\
        host sameuser all all trust\n\
        host \"/quoted\" all all trust\n\
        host /^tenant_[0-9]+$ /^t all all\n";
    assert_eq!(
        read(text, &[]).unwrap_err(),
        [
            "hba.conf:3: has an unknown method all; known are trust, reject, scram-sha-256, md5, password, peer, cert, jwt, oauth, pam, ldap"
        ]
    );
    check(
        &text.replace("all all\n", "all trust\n"),
        &[
            ("bob@bob 1.1.1.1", "trust"),
            ("bob@tenant_1 1.1.1.1", "none"),
            ("tim@tenant_1 1.1.1.1", "trust"),
            ("tim@tenant_x 1.1.1.1", "none"),
        ],
    );
}

#[test]
fn pam_and_directories_have_options_of_their_own() {
    let text = "\
        local all a pam\n\
        host all b all pam pamservice=other pam_use_hostname=1\n\
        host all c all ldap ldapserver=\"x y\" ldapprefix=\"uid=\" ldapsuffix=\",dc=z\"\n";
    let hba = read(text, &[]).unwrap();
    let judge = |user: &str, channel: &Channel| {
        let attempt = Attempt {
            user,
            database: "d",
            replication: Replication::No,
            channel,
            networks: &networks,
            is_member: &is_member,
        };
        let demand = hba.demand(&attempt).unwrap();
        format!("{:?} {:?}", demand.method, demand.judge)
    };
    let local = Channel::in_the_clear(Peer::Unix(None));
    let far = Channel::in_the_clear(Peer::Tcp([1, 1, 1, 1].into()));
    assert_eq!(
        judge("a", &local),
        "Pam Some(Pam { service: None, uses_host_name: false })"
    );
    assert_eq!(
        judge("b", &far),
        "Pam Some(Pam { service: Some(\"other\"), uses_host_name: true })"
    );
    assert_eq!(
        judge("c", &far),
        "Ldap Some(Ldap(Ldap([\"x\", \"y\"], ..)))"
    );
    check_problems(
        "host all all all ldap\n\
         host all all all ldap ldapserver=x ldapsufix=y\n\
         host all all all pam ldapserver=x\n\
         host all all all ldap ldapserver=x ldapprefix=y pamservice=z\n\
         host all all all pam pamservice=../x\n\
         host all all all pam pam_use_hostname=yes\n\
         host all all all reject ldapserver=x\n",
        &[
            "hba.conf:1: needs ldapserver or ldapurl, which say where LDAP is",
            "hba.conf:2: has an unknown option ldapsufix; did you mean ldapsuffix?",
            "hba.conf:3: has ldapserver, which only ldap uses",
            "hba.conf:4: has pamservice, which only pam uses",
            "hba.conf:5: has \"../x\" for a service of PAM, which is the name of a file in /etc/pam.d",
            "hba.conf:6: has pam_use_hostname that is not 1 or 0",
            "hba.conf:7: has ldapserver, which only ldap uses",
        ],
    );
}

#[test]
fn rules_about_members_wait_until_that_is_known() {
    let text = "\
        local all all trust\n\
        host a bob,+who all md5\n\
        host a +who 1.0.0.0/8 reject\n\
        host a all all scram-sha-256\n\
        host b +no,+yes all password\n\
        host c +yes all reject\n\
        host d +no all reject\n\
        host yes,no,who samerole all trust\n\
        host samerole all all trust\n\
        host e \"+yes\" all trust\n";
    check(
        text,
        &[
            ("ann@a local", "trust"),
            ("bob@a 1.1.1.1", "md5"),
            ("ann@a 1.1.1.1", "who?"),
            ("ann@b 1.1.1.1", "password"),
            ("ann@c 1.1.1.1", "reject"),
            ("ann@d 1.1.1.1", "d?"),
            ("ann@yes 1.1.1.1", "trust"),
            ("ann@no 1.1.1.1", "none"),
            ("ann@who 1.1.1.1", "who?"),
            ("ann@who 1.1.1.1 physical", "none"),
            ("+yes@e 1.1.1.1", "e?"),
        ],
    );
}

#[test]
fn records_go_on_behind_a_backslash_and_take_names_from_files() {
    let files = [
        ("users", "ann, bob # comment\n\"c d\"\n@more"),
        ("more", "eve"),
        ("rules/b.conf", "host b all all md5"),
        (
            "rules/a.conf",
            "host a all all trust\nhost b all all trust\ninclude sub/x",
        ),
        ("rules/.hidden.conf", "host c all all trust"),
        ("rules/readme.txt", "nothing of this is a rule"),
        ("rules/sub/x", "host x @../../users all trust"),
    ];
    let text = "\
        host app,\\\n  web \\\n @users all trust\n\
        include_if_exists nowhere\n\
        include_dir rules\n\
        include_if_exists \"rules/sub/x\"\n";
    // The folders of a test are compared as they are written.
    let files: Vec<(&str, &str)> = files
        .into_iter()
        .chain([("rules/sub/../../users", "ann"), ("rules/../users", "ann")])
        .collect();
    check_with(
        text,
        &files,
        &[
            ("ann@app 1.1.1.1", "trust"),
            ("eve@web 1.1.1.1", "trust"),
            ("kim@web 1.1.1.1", "none"),
            ("kim@a 1.1.1.1", "trust"),
            ("kim@b 1.1.1.1", "trust"),
            ("kim@c 1.1.1.1", "none"),
            ("ann@x 1.1.1.1", "trust"),
            ("bob@x 1.1.1.1", "none"),
        ],
    );
}

#[test]
fn all_mistakes_are_told_with_their_lines() {
    check_problems(
        "hosts all all all trust\n\
         host all all all trsut\n\
         host all\n\
         local all all\n\
         host all all localhost trust\n\
         host all all 10.0.0.0/33 trust\n\
         host all all 10.0.0.1 trust\n\
         host all all 10.0.0.1 ::1 trust\n\
         host samerole +,/( all trust\n\
         host all all all gss\n\
         host all all all peer\n\
         host all all all cert\n\
         host all all all trust map=x\n\
         host all all all md5 what= so clientcert=verify-ca\n\
         host all,web all all,x trust\n\
         host \"all all all trust\n\
         include\n\
         include nowhere\n\
         host @nowhere all all trust\n\
         hostssl all all all cert clientcert=verify-ca map=\n\
         hostssl all all all md5 clientname=DN clientcert=no\n",
        &[
            "hba.conf:1: has an unknown type of connection hosts; did you mean host?",
            "hba.conf:2: has an unknown method trsut; did you mean trust?",
            "hba.conf:3: ends before the users",
            "hba.conf:4: ends before the method",
            "hba.conf:5: has \"localhost\" for an address; write one such as 10.0.0.0/8 or ::1/128, or all, samehost or samenet (names of hosts are not looked up)",
            "hba.conf:6: has \"10.0.0.0/33\" for an address; write one such as 10.0.0.0/8 or ::1/128, or all, samehost or samenet (names of hosts are not looked up)",
            "hba.conf:7: has an address without a mask; write 10.0.0.1/32, or a mask behind it",
            "hba.conf:8: has an address and a mask of different kinds",
            "hba.conf:9: has +, which has an empty name",
            "hba.conf:9: has a regular expression that cannot be used: unclosed group",
            "hba.conf:10: has method gss, which is not supported yet by this version",
            "hba.conf:11: has method peer, which only local connections can use",
            "hba.conf:12: has method cert, which only hostssl connections can use",
            "hba.conf:13: has map, which only peer, cert, jwt, oauth and clientcert=verify-full use",
            "hba.conf:14: has an unknown option what; known are map, clientcert, clientname, issuer, scope, delegate_ident_mapping, pamservice, pam_use_hostname, ldapserver, ldapport, ldapscheme, ldaptls, ldapprefix, ldapsuffix, ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, ldapurl",
            "hba.conf:14: has \"so\" where name=value may stand",
            "hba.conf:14: has clientcert, which only hostssl connections can use",
            "hba.conf:15: has a list for the address, which is one word",
            "hba.conf:16: has a quote that is not closed on its line",
            "hba.conf:17: include takes one name",
            "hba.conf:18: names nowhere, which cannot be read: entity not found",
            "hba.conf:19: names nowhere, which cannot be read: entity not found",
            "hba.conf:20: has an empty map",
            "hba.conf:20: has clientcert=verify-ca, and cert looks at the name as well",
            "hba.conf:21: has clientcert that is not verify-ca or verify-full",
            "hba.conf:21: has clientname, which only cert and clientcert=verify-full use",
        ],
    );
}

#[test]
fn files_that_include_each_other_have_an_end() {
    let files = [("a", "include b\ninclude b"), ("b", "include a\ninclude a")];
    let problems = read("include a", &files).unwrap_err();
    assert!(
        problems.iter().any(|p| p.contains("more than 10 deep")),
        "{problems:?}"
    );
    let names = [("a", "@b"), ("b", "@a @a @a @a")];
    let problems = read("host @a all all trust", &names).unwrap_err();
    assert!(
        problems.iter().any(|p| p.contains("more than 10 deep")),
        "{problems:?}"
    );
}

/// A name that may have anything in it, as it is written in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn name() -> impl Strategy<Value = String> {
    prop::string::string_regex("[^\u{0}\n\r]{1,20}")
        .unwrap()
        .prop_filter("a backslash at the end goes on in the next line", |name| {
            !name.ends_with('\\')
        })
}

proptest! {
    #[test]
    fn a_quoted_name_is_that_name(database in name(), user in name(), other in name()) {
        let text = format!("host {} {} all trust", quoted(&database), quoted(&user));
        let hba = read(&text, &[]).unwrap();
        let decide = |user: &str, database: &str| {
            let channel = Channel::in_the_clear(Peer::Tcp(IpAddr::from([1, 1, 1, 1])));
            let attempt = Attempt {
                user,
                database,
                replication: Replication::No,
                channel: &channel,
                networks: &Vec::new,
                is_member: &|_| None,
            };
            hba.demand(&attempt).is_ok()
        };
        prop_assert!(decide(&user, &database));
        prop_assert_eq!(decide(&other, &database), other == user);
        prop_assert_eq!(decide(&user, &other), other == database);
    }

    #[test]
    fn any_text_is_rules_or_mistakes(text in "(host|local|hostssl|all|trust|md5|map=|10.0.0.0/8|include|@a|[ ,\\\\\"#/+\n]|.){0,40}") {
        if let Err(problems) = read(&text, &[("a", &text)]) {
            prop_assert!(problems.iter().all(|problem| !problem.contains('\n')));
        }
    }

    #[test]
    fn a_prefix_holds_the_addresses_that_begin_with_it(bits in any::<u32>(), other in any::<u32>(), len in 0_u32..=32) {
        let text = format!("host all all {}/{len} trust", std::net::Ipv4Addr::from(bits));
        let hba = read(&text, &[]).unwrap();
        let same = len == 0 || (bits ^ other) >> (32 - len) == 0;
        let who = format!("u@a {}", std::net::Ipv4Addr::from(other));
        prop_assert_eq!(decide(&hba, &who) == "trust", same);
    }
}
