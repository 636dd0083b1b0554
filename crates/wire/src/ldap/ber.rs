//! The encoding of LDAP's messages: a tag, a length, the content (X.690, as RFC 4511 limits it).

/// Universal tags, and those of the class "context" or "application" where a message has them.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;

/// Bytes of a length at most: those of a message that is taken have three.
const LENGTH_BYTES_MAX: usize = 4;

/// A tag with its content.
pub(super) type Element<'a> = (u8, &'a [u8]);

/// Appends an element with this content.
pub(super) fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let len = u32::try_from(content.len()).expect("no message is that long");
    match len {
        0..0x80 => out.push(len.to_be_bytes()[3]),
        _ => {
            let bytes = len.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let bytes = &bytes[zeros..];
            out.push(0x80 | u8::try_from(bytes.len()).expect("four at most"));
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(content);
}

/// Appends an element whose content `fill` writes.
pub(super) fn put_with(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    fill(&mut content);
    put(out, tag, &content);
}

/// Appends a number that is not negative.
pub(super) fn put_number(out: &mut Vec<u8>, tag: u8, number: u32) {
    let bytes = u64::from(number).to_be_bytes();
    // One zero stays in front of a byte that would make the number negative.
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let is_negative = bytes.get(zeros).is_none_or(|byte| byte & 0x80 != 0);
    put(out, tag, &bytes[zeros - usize::from(is_negative)..]);
}

/// How long the first element is with its tag and length: `Ok(None)` if that is not there yet.
///
/// # Errors
/// It has a form that LDAP does not use.
pub(super) fn len(bytes: &[u8]) -> Result<Option<usize>, ()> {
    Ok(header(bytes)?.map(|(_, header, content)| header + content))
}

/// The first element, and what follows it.
///
/// # Errors
/// It is not there in full.
pub(super) fn take(bytes: &[u8]) -> Result<(Element<'_>, &[u8]), ()> {
    let (tag, header, content) = header(bytes)?.ok_or(())?;
    let body = bytes.get(header..).ok_or(())?;
    let (content, rest) = body.split_at_checked(content).ok_or(())?;
    Ok(((tag, content), rest))
}

/// The content of the first element, which has this tag, and what follows it.
///
/// # Errors
/// It has another one, or is not there in full.
pub(super) fn expect(bytes: &[u8], tag: u8) -> Result<(&[u8], &[u8]), ()> {
    match take(bytes)? {
        ((found, content), rest) if found == tag => Ok((content, rest)),
        _ => Err(()),
    }
}

/// A number that is not negative and has four bytes at most.
pub(super) fn number(content: &[u8]) -> Result<u32, ()> {
    let is_negative = content.first().is_none_or(|byte| byte & 0x80 != 0);
    if is_negative || content.len() > 4 {
        return Err(());
    }
    Ok(content
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// Tag, bytes of tag and length, and bytes of the content.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, ()> {
    let [tag, first, more @ ..] = bytes else {
        return Ok(None);
    };
    // LDAP has no tags of several bytes, and no lengths that are told later.
    if tag & 0x1f == 0x1f || *first == 0x80 {
        return Err(());
    }
    if *first < 0x80 {
        return Ok(Some((*tag, 2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if count > LENGTH_BYTES_MAX {
        return Err(());
    }
    let Some(bytes) = more.get(..count) else {
        return Ok(None);
    };
    let len = bytes
        .iter()
        .fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
    Ok(Some((*tag, 2 + count, len)))
}
