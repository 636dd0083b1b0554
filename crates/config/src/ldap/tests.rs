use super::{Ldap, LdapEncryption, LdapNaming};

/// What options mean, in a line.
fn read(text: &str) -> Result<String, String> {
    let ldap = Ldap::parse(text)?;
    let naming = match &ldap.naming {
        LdapNaming::Around { prefix, suffix } => format!("{prefix}|{suffix}"),
        LdapNaming::Search {
            base, scope, bind, ..
        } => format!("{base} {scope:?} {}/{}", bind.0, bind.1),
    };
    let encryption = match ldap.encryption {
        LdapEncryption::None => "clear",
        LdapEncryption::StartTls => "starttls",
        LdapEncryption::Tls => "tls",
    };
    let hosts = ldap.hosts.join(" ");
    Ok(format!("{hosts} {} {encryption} {naming}", ldap.port))
}

#[test]
fn options_mean_what_postgresql_says() {
    for (text, expected) in [
        (
            "ldapserver=a ldapprefix=\"uid=\" ldapsuffix=\",dc=x, dc=y\"",
            "a 389 clear uid=|,dc=x, dc=y",
        ),
        (
            "ldapserver=\"a [::1]\" ldapport=99 ldaptls=1 ldapsuffix=\"@x\"",
            "a ::1 99 starttls |@x",
        ),
        (
            "ldapserver=a ldapscheme=ldaps ldapbasedn=\"dc=x\"",
            "a 636 tls dc=x Sub /",
        ),
        (
            "ldapserver=a ldapbasedn=dc=x ldapbinddn=\"cn=s,dc=x\" ldapbindpasswd=\"p w\" \
             ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"",
            "a 389 clear dc=x Sub cn=s,dc=x/p w",
        ),
        (
            "ldapurl=\"ldap://a:1/dc=x,dc=y?uid?sub\"",
            "a 1 clear dc=x,dc=y Sub /",
        ),
        (
            "ldapurl=\"ldaps://[::1]/dc=x%20y??one?(uid=$username)\"",
            "::1 636 tls dc=x y One /",
        ),
        ("ldapurl=ldap://a/dc=x", "a 389 clear dc=x Base /"),
        (
            "ldapurl=ldap://a/dc=x?uid?sub ldaptls=1",
            "a 389 starttls dc=x Sub /",
        ),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn mistakes_are_told_without_the_password() {
    for (text, expected) in [
        ("", "needs ldapserver or ldapurl"),
        ("ldapserver=a", "needs ldapbasedn, ldapprefix"),
        ("ldapserver=\" \"", "an empty ldapserver"),
        ("ldapserver", "an unknown option ldapserver"),
        ("ldapserver=a secret=x", "an unknown option secret"),
        ("ldapserver=a ldapprefix=x ldapbasedn=y", "use one way"),
        ("ldapserver=a ldapprefix=x ldapport=0", "has a port"),
        ("ldapserver=a ldapprefix=x ldaptls=yes", "not 1 or 0"),
        (
            "ldapserver=a ldapprefix=x ldapscheme=http",
            "not ldap or ldaps",
        ),
        (
            "ldapserver=a ldapprefix=x ldapscheme=ldaps ldaptls=1",
            "TLS already",
        ),
        (
            "ldapserver=a ldapbasedn=x ldapsearchattribute=a ldapsearchfilter=(b=$username)",
            "use one",
        ),
        (
            "ldapserver=a ldapbasedn=x ldapsearchattribute=\"a b\"",
            "for the name of an attribute",
        ),
        (
            "ldapserver=a ldapbasedn=x ldapsearchfilter=(b=c)",
            "without $username",
        ),
        (
            "ldapserver=a ldapbasedn=x ldapsearchfilter=(b",
            "has a comparison without",
        ),
        (
            "ldapserver=a ldapbasedn=x ldapbindpasswd=pw1234",
            "needs both ldapbinddn and ldapbindpasswd",
        ),
        (
            "ldapserver=a ldapbasedn=x ldapbinddn=b ldapbindpasswd=",
            "needs both ldapbinddn and ldapbindpasswd",
        ),
        ("ldapurl=http://a/b", "not ldap or ldaps"),
        ("ldapurl=a/b", "an ldapurl that is none"),
        ("ldapurl=ldap://a/b?c?d", "scope is not base"),
        ("ldapurl=ldap://a/b????e", "extensions"),
        ("ldapurl=ldap://a/%zz", "no two digits"),
        ("ldapserver=\"a", "a quote that is not closed"),
    ] {
        let message = read(text).unwrap_err();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("pw1234"), "{message}");
    }
    let ldap = Ldap::parse("ldapserver=a ldapbasedn=x ldapbinddn=b ldapbindpasswd=pw1234").unwrap();
    assert!(ldap.has_secret() && !format!("{ldap:?}").contains("pw1234"));
}
