//! The few functions of libpam that are called, as `security/_pam_types.h` and `security/pam_appl.h` of
//! Linux-PAM declare them.
#![expect(
    unsafe_code,
    reason = "libpam is a library of C that is loaded at run time"
)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::time::Duration;

use libloading::{Library, Symbol};

use crate::{Answer, Question};

/// The name of Linux-PAM's library since 1996.
const LIBRARY: &str = "libpam.so.0";

const SUCCESS: c_int = 0;
const BUF_ERR: c_int = 5;
const CONV_ERR: c_int = 19;

/// Items of a handle.
const RHOST: c_int = 4;
const FAIL_DELAY: c_int = 10;

/// An account without a password lets nobody in.
const DISALLOW_NULL_AUTHTOK: c_int = 1;

/// Kinds of messages.
const PROMPT_ECHO_OFF: c_int = 1;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;

/// Messages of one conversation, as Linux-PAM bounds them.
const MESSAGES_MAX: c_int = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

type Converse =
    unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;
type Start = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const Conversation,
    *mut *mut c_void,
) -> c_int;
type SetItem = unsafe extern "C" fn(*mut c_void, c_int, *const c_void) -> c_int;
type Check = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type Explain = unsafe extern "C" fn(*mut c_void, c_int) -> *const c_char;

/// What the callbacks know.
struct Talk<'a> {
    password: &'a CStr,
    delay: Cell<Duration>,
}

/// Asks PAM.
pub(crate) fn ask(question: &Question) -> Answer {
    // SAFETY: libpam is what its name says. Its initialisers do nothing.
    let library = match unsafe { Library::new(LIBRARY) } {
        Ok(library) => library,
        Err(error) => {
            let why =
                format!("{LIBRARY} cannot be loaded ({error}); install it (Debian: libpam0g)");
            return Answer::Failed(why);
        }
    };
    ask_library(&library, question).unwrap_or_else(|error| {
        Answer::Failed(format!(
            "{LIBRARY} is not the library of Linux-PAM: {error}"
        ))
    })
}

fn ask_library(library: &Library, question: &Question) -> Result<Answer, libloading::Error> {
    // SAFETY: the types are those of the functions in Linux-PAM's headers.
    let (start, set_item, authenticate, account, explain, end) = unsafe {
        let start: Symbol<'_, Start> = library.get(b"pam_start\0")?;
        let set_item: Symbol<'_, SetItem> = library.get(b"pam_set_item\0")?;
        let authenticate: Symbol<'_, Check> = library.get(b"pam_authenticate\0")?;
        let account: Symbol<'_, Check> = library.get(b"pam_acct_mgmt\0")?;
        let explain: Symbol<'_, Explain> = library.get(b"pam_strerror\0")?;
        let end: Symbol<'_, Check> = library.get(b"pam_end\0")?;
        (start, set_item, authenticate, account, explain, end)
    };
    let talk = Talk {
        password: question.password(),
        delay: Cell::default(),
    };
    let conversation = Conversation {
        converse,
        data: ptr::from_ref(&talk).cast_mut().cast(),
    };
    let mut handle = ptr::null_mut();
    let service = question.service().as_ptr();
    // SAFETY: the texts end with a NUL, and they, `conversation` and `talk` live until `pam_end`.
    let mut status = unsafe {
        start(
            service,
            question.user().as_ptr(),
            &conversation,
            &mut handle,
        )
    };
    if status != SUCCESS || handle.is_null() {
        return Ok(Answer::Failed(format!("pam_start failed with {status}")));
    }
    let mut is_asked = false;
    // SAFETY: `handle` is what `pam_start` made, and each item has the type that its number stands for.
    unsafe {
        if let Some(host) = question.host() {
            status = set_item(handle, RHOST, host.as_ptr().cast());
        }
        if status == SUCCESS {
            // Else libpam sleeps here, and keeps the process from answering for others.
            let note: unsafe extern "C" fn(c_int, c_uint, *mut c_void) = note_delay;
            status = set_item(handle, FAIL_DELAY, note as *const c_void);
        }
        if status == SUCCESS {
            is_asked = true;
            status = authenticate(handle, DISALLOW_NULL_AUTHTOK);
        }
        if status == SUCCESS {
            status = account(handle, DISALLOW_NULL_AUTHTOK);
        }
    }
    let answer = if status == SUCCESS {
        Answer::Accepted
    } else {
        // SAFETY: it returns a text that ends with a NUL and is not freed before `pam_end`.
        let why = unsafe { CStr::from_ptr(explain(handle, status)) };
        let why = why.to_string_lossy().into_owned();
        match is_asked {
            true => Answer::Refused {
                why,
                delay: talk.delay.get(),
            },
            false => Answer::Failed(why),
        }
    };
    // SAFETY: `handle` is not used after this.
    unsafe { end(handle, status) };
    Ok(answer)
}

/// Answers what modules ask: every question that is not to be seen on a screen is for the password.
///
/// # Safety
/// libpam calls this with `count` messages, a place for the responses, and the [`Talk`].
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    if !(1..=MESSAGES_MAX).contains(&count) || messages.is_null() || responses.is_null() {
        return CONV_ERR;
    }
    let count = usize::try_from(count).expect("it was compared");
    // SAFETY: `data` is the `Talk` that `pam_start` was given, which is still there.
    let talk = unsafe { &*data.cast::<Talk<'_>>() };
    // SAFETY: libpam frees responses with `free`, so that they have to be of `calloc`. All zeros are a
    // `Response` without text.
    let answers = unsafe { libc::calloc(count, size_of::<Response>()) }.cast::<Response>();
    if answers.is_null() {
        return BUF_ERR;
    }
    for at in 0..count {
        // SAFETY: Linux-PAM passes an array of `count` pointers to messages.
        let style = unsafe { (**messages.add(at)).style };
        let text = match style {
            // SAFETY: the password ends with a NUL. The copy is libpam's to free.
            PROMPT_ECHO_OFF => unsafe { libc::strdup(talk.password.as_ptr()) },
            ERROR_MSG | TEXT_INFO => continue,
            _ => ptr::null_mut(),
        };
        if text.is_null() {
            // SAFETY: there are `count` of them, each with a text of `strdup` or none.
            unsafe { discard(answers, count) };
            return CONV_ERR;
        }
        // SAFETY: `at` is below `count`.
        unsafe { (*answers.add(at)).text = text };
    }
    // SAFETY: libpam gives a place for one pointer.
    unsafe { *responses = answers };
    SUCCESS
}

/// # Safety
/// `answers` are `count` responses of `calloc`, each with a text of `strdup` or none.
unsafe fn discard(answers: *mut Response, count: usize) {
    for at in 0..count {
        // SAFETY: as above; `free` takes a null pointer, too.
        unsafe { libc::free((*answers.add(at)).text.cast()) };
    }
    // SAFETY: as above.
    unsafe { libc::free(answers.cast()) };
}

/// Takes note of the delay that modules want after a failure, in microseconds.
///
/// # Safety
/// libpam calls this with the [`Talk`].
unsafe extern "C" fn note_delay(status: c_int, microseconds: c_uint, data: *mut c_void) {
    if status != SUCCESS && !data.is_null() {
        // SAFETY: `data` is the `Talk` that `pam_start` was given, which is still there.
        let talk = unsafe { &*data.cast::<Talk<'_>>() };
        talk.delay.set(Duration::from_micros(microseconds.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    fn talk(styles: &[c_int]) -> (c_int, Vec<Option<CString>>) {
        let password = c"pw";
        let talk = Talk {
            password,
            delay: Cell::default(),
        };
        let messages: Vec<Message> = styles
            .iter()
            .map(|style| Message {
                style: *style,
                text: c"?".as_ptr(),
            })
            .collect();
        let mut pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
        let mut responses = ptr::null_mut();
        let count = c_int::try_from(styles.len()).expect("there are few");
        let data = ptr::from_ref(&talk).cast_mut().cast();
        // SAFETY: this is what libpam passes.
        let status = unsafe { converse(count, pointers.as_mut_ptr(), &mut responses, data) };
        let mut texts = Vec::new();
        if status == SUCCESS {
            for at in 0..styles.len() {
                // SAFETY: there are as many responses as messages.
                let text = unsafe { (*responses.add(at)).text };
                // SAFETY: a text that is there ends with a NUL.
                let copy = || unsafe { CStr::from_ptr(text) }.to_owned();
                texts.push((!text.is_null()).then(copy));
            }
            // SAFETY: they are those of `converse`, and nobody has freed them.
            unsafe { discard(responses, styles.len()) };
        }
        (status, texts)
    }

    #[test]
    fn only_hidden_questions_get_the_password() {
        let password = Some(c"pw".to_owned());
        assert_eq!(talk(&[PROMPT_ECHO_OFF]), (SUCCESS, vec![password.clone()]));
        let told = talk(&[TEXT_INFO, PROMPT_ECHO_OFF, ERROR_MSG]);
        assert_eq!(told, (SUCCESS, vec![None, password, None]));
        for styles in [&[2][..], &[PROMPT_ECHO_OFF, 2], &[7], &[], &[TEXT_INFO; 33]] {
            assert_eq!(talk(styles), (CONV_ERR, vec![]), "{styles:?}");
        }
    }

    #[test]
    fn only_failures_are_delayed() {
        let talk = Talk {
            password: c"",
            delay: Cell::default(),
        };
        let data = ptr::from_ref(&talk).cast_mut().cast();
        // SAFETY: this is what libpam passes.
        unsafe { note_delay(SUCCESS, 2_000_000, data) };
        assert_eq!(talk.delay.get(), Duration::ZERO);
        // SAFETY: the same.
        unsafe { note_delay(7, 2_000_000, data) };
        assert_eq!(talk.delay.get(), Duration::from_secs(2));
    }
}
