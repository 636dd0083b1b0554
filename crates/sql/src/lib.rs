//! Reads SQL text as far as a pooler needs it: where tokens and statements end, what kind of
//! statement it is, and which statements differ only in their literals.
//!
//! It never parses text from a client into a tree. The lexer follows PostgreSQL's scanner
//! (`scan.l`), and the other modules process its tokens in one pass, without recursion, in linear
//! time, and without a panic for any input.
//!
//! Text is read as PostgreSQL reads it after conversion to the server's encoding: any byte from
//! 0x80 up is a letter. Some client encodings use ASCII bytes inside of characters (SJIS, BIG5,
//! GBK, GB18030, UHC, JOHAB). There the lexer may see a quote or backslash that does not exist, and
//! the result may be wrong, but nothing worse happens.
//!
//! * [`lexer`] splits text into tokens.
//! * [`statements`] splits the text of a simple query into statements.
//! * [`kind`] classifies a statement.
//! * [`by_name`] says what a text does to prepared statements.
//! * [`databases`] names the databases that a text needs for itself.
//! * [`effects`] says what a text may leave behind in its session.
//! * [`normalise`] shows a statement without its literals.
//! * [`fingerprint`] computes 64 bits that are equal for statements with the same normalised text.
//! * [`skeleton`] computes a cheap key that is equal for texts that differ only in plain literals.
//! * [`sqlcommenter`] reads the tags that an application put into a comment.

pub mod by_name;
pub mod databases;
pub mod effects;
pub mod fingerprint;
mod fold;
pub mod kept;
pub mod kind;
pub mod lexer;
mod name;
pub mod normalise;
pub mod skeleton;
pub mod sqlcommenter;
pub mod statements;
mod word;

pub use word::mentions;

#[cfg(test)]
mod tests;
