//! What a pooler has to know about SQL text: where its tokens and statements end, what kind of
//! statement it is, and which statements are the same but for their literals.
//!
//! Text from a client is never parsed into a tree. The lexer follows PostgreSQL's own scanner
//! (`scan.l`) and everything else works on its tokens in one pass, without recursion, in time
//! linear in the text and without a panic for any bytes.
//!
//! The text is read as PostgreSQL reads it after conversion to the server's encoding: any byte
//! from 0x80 up is a letter. In the client encodings that use ASCII bytes inside of characters
//! (SJIS, BIG5, GBK, GB18030, UHC, JOHAB) a quote or backslash may be seen where there is none;
//! what is decided here may then be wrong, but no more than that.
//!
//! * [`lexer`] cuts text into tokens.
//! * [`statements`] cuts the text of a simple query into its statements.
//! * [`kind`] says what a statement is.
//! * [`normalise`] shows a statement without its literals.
//! * [`fingerprint`] is 64 bits that are equal for statements that normalise equally.
//! * [`skeleton`] is a cheap key, equal for texts that differ in plain literals only.
//! * [`sqlcommenter`] reads the tags that an application attached in a comment.

pub mod fingerprint;
mod fold;
pub mod kind;
pub mod lexer;
pub mod normalise;
pub mod skeleton;
pub mod sqlcommenter;
pub mod statements;
mod word;

#[cfg(test)]
mod tests;
