//! Documents and namespaces that someone hostile, or something broken, could send.

use crate::limits::DOCUMENT_BYTES_MAX;

/// A hostile document.
#[derive(Debug, Clone)]
pub struct HostileDocument {
    /// What is wrong with it.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it is a document all the same, because a mongod stores it as it is.
    pub accepted: bool,
}

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const UNDEFINED: u8 = 0x06;
const NULL: u8 = 0x0A;
const REGEX: u8 = 0x0B;
const INT32: u8 = 0x10;

/// Documents of some bytes each.
pub fn small_documents() -> Vec<HostileDocument> {
    let one = || element(INT32, b"_id", &1_i32.to_le_bytes());
    let with = |more: Vec<u8>| framed(&[one(), more].concat());
    let text = |length: i32, bytes: &[u8]| [&length.to_le_bytes(), bytes].concat();
    let id = |kind, value: &[u8]| framed(&element(kind, b"_id", value));
    let ne_null = framed(&element(NULL, b"$ne", &[]));
    let plain = with(element(STRING, b"a", &text(2, b"x\0")));
    vec![
        refused("outer-length-too-long", claiming(&plain, i32::MAX)),
        refused("outer-length-too-short", claiming(&plain, 5)),
        refused("outer-length-negative", claiming(&plain, i32::MIN)),
        refused("inner-length-too-long", with(element(DOCUMENT, b"a", &claiming(&framed(&[]), 64)))),
        refused("inner-length-too-short", with(element(DOCUMENT, b"a", &claiming(&framed(&one()), 6)))),
        refused("string-length-too-long", with(element(STRING, b"a", &text(i32::MAX, b"x\0")))),
        refused("string-length-zero", with(element(STRING, b"a", &text(0, b"")))),
        refused("string-without-end", with(element(STRING, b"a", &text(1, b"x")))),
        refused("binary-length-negative", with(element(0x05, b"a", &text(-1, b"\0")))),
        refused("code-with-scope-length-too-short", with(element(0x0F, b"a", &text(4, b"")))),
        refused("name-not-utf8", with(element(NULL, b"\xC3\x28", &[]))),
        refused("string-not-utf8", with(element(STRING, b"a", &text(3, b"\xC3\x28\0")))),
        refused("name-with-nul", with(element(NULL, b"a\0b", &[]))),
        refused("type-unknown", with(element(0x77, b"a", &[]))),
        refused("boolean-two", with(element(0x08, b"a", &[2]))),
        refused("id-missing", framed(&element(NULL, b"a", &[]))),
        refused("id-not-first", framed(&[element(NULL, b"a", &[]), one()].concat())),
        refused("id-twice", with(one())),
        refused("id-array", id(ARRAY, &framed(&[]))),
        refused("id-regex", id(REGEX, b".*\0i\0")),
        refused("id-undefined", id(UNDEFINED, &[])),
        refused("id-ne-null", id(DOCUMENT, &ne_null)),
        accepted("id-nan", id(DOUBLE, &f64::NAN.to_le_bytes())),
        accepted("id-minus-zero", id(DOUBLE, &(-0.0_f64).to_le_bytes())),
        refused("id-holds-ne-null-deeper", id(DOCUMENT, &framed(&element(DOCUMENT, b"a", &ne_null)))),
        accepted("names-repeated", with([element(NULL, b"a", &[]), element(NULL, b"a", &[])].concat())),
        accepted("name-empty", with(element(NULL, b"", &[]))),
        accepted("name-dollar", with(element(DOCUMENT, b"$set", &framed(&one())))),
        accepted("name-dollar-inside", with(element(DOCUMENT, b"a", &ne_null))),
        accepted("name-dotted", with(element(NULL, b"a.b..c.", &[]))),
        accepted("name-proto", with(element(DOCUMENT, b"__proto__", &framed(&element(NULL, b"polluted", &[]))))),
        accepted("string-with-nul", with(element(STRING, b"a", &text(4, b"a\0b\0")))),
    ]
}

/// Documents of megabytes each, one after another, so that one at a time is in memory.
pub fn large_documents() -> impl Iterator<Item = HostileDocument> {
    const MILLION: usize = 1_000_000;
    const FIFTEEN_MIB: usize = 15 * 1024 * 1024;
    let one = || element(INT32, b"_id", &1_i32.to_le_bytes());
    let long = |size: usize| {
        [&i32::try_from(size + 1).unwrap_or(i32::MAX).to_le_bytes()[..], &vec![b'x'; size], &[0]].concat()
    };
    let padded = move |size: usize| {
        const AROUND: usize = 4 + 9 + 3 + 5 + 1;
        framed(&[one(), element(STRING, b"a", &long(size - AROUND))].concat())
    };
    let makers: [Box<dyn Fn() -> HostileDocument>; 12] = [
        Box::new(|| refused("documents-a-million-deep", nested(MILLION))),
        Box::new(|| refused("arrays-a-million-deep", nested_in(ARRAY, MILLION))),
        Box::new(|| refused("a-million-openings-without-ends", openings(MILLION))),
        Box::new(|| refused("id-a-million-deep", framed(&element(DOCUMENT, b"_id", &nested(MILLION))))),
        Box::new(move || refused("sixteen-mib", padded(16 * 1024 * 1024))),
        Box::new(move || refused("thirty-two-mib", padded(32 * 1024 * 1024))),
        Box::new(move || refused("one-byte-over-the-limit", padded(DOCUMENT_BYTES_MAX + 1))),
        Box::new(move || accepted("exactly-the-limit", padded(DOCUMENT_BYTES_MAX))),
        Box::new(move || {
            accepted("array-of-a-million", framed(&[one(), element(ARRAY, b"a", &framed(&numbered(MILLION)))].concat()))
        }),
        Box::new(move || accepted("a-million-fields", framed(&[one(), numbered(MILLION)].concat()))),
        Box::new(move || accepted("id-of-fifteen-mib", framed(&element(STRING, b"_id", &long(FIFTEEN_MIB))))),
        Box::new(move || {
            accepted("name-of-fifteen-mib", framed(&[one(), element(NULL, &vec![b'n'; FIFTEEN_MIB], &[])].concat()))
        }),
    ];
    makers.into_iter().map(|make| make())
}

/// Namespaces that are never replicated, or are none.
pub fn namespaces() -> Vec<String> {
    let fixed = [
        "",
        "a",
        "admin.system.users",
        "local.oplog.rs",
        "config.chunks",
        "CONFIG.transactions",
        "x.system.views",
        "x.a.system.b",
        "oplogsync.node",
        "x.oplogsync.oplog",
        "x.a\0b",
        "x\0.a",
        "x.$cmd",
        ".",
        "..",
    ];
    let long = [format!("x.{}", "c".repeat(298)), format!("{}.c", "d".repeat(1024 * 1024))];
    fixed.into_iter().map(str::to_owned).chain(long).collect()
}

/// A document of so many levels; there is no `_id` in it.
pub fn nested(levels: usize) -> Vec<u8> {
    nested_in(DOCUMENT, levels)
}

fn nested_in(kind: u8, levels: usize) -> Vec<u8> {
    const EMPTY: usize = 5;
    const AROUND: usize = 8;
    let mut bytes = Vec::new();
    for inner in (0..levels).rev() {
        bytes.extend(i32::try_from(EMPTY + AROUND * inner).unwrap_or(i32::MAX).to_le_bytes());
        if inner > 0 {
            bytes.extend([kind, b'0', 0]);
        }
    }
    bytes.resize(bytes.len() + levels, 0);
    bytes
}

/// Levels that all claim to fill the rest, without an end.
fn openings(levels: usize) -> Vec<u8> {
    const OPENING: usize = 7;
    let mut bytes = Vec::with_capacity(levels * OPENING);
    for level in 0..levels {
        bytes.extend(i32::try_from((levels - level) * OPENING).unwrap_or(i32::MAX).to_le_bytes());
        bytes.extend([DOCUMENT, b'a', 0]);
    }
    bytes
}

/// So many nulls, named as in an array.
fn numbered(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count * 9);
    for at in 0..count {
        bytes.push(NULL);
        bytes.extend(at.to_string().as_bytes());
        bytes.push(0);
    }
    bytes
}

fn refused(name: &'static str, bytes: Vec<u8>) -> HostileDocument {
    HostileDocument { name, bytes, accepted: false }
}

fn accepted(name: &'static str, bytes: Vec<u8>) -> HostileDocument {
    HostileDocument { name, bytes, accepted: true }
}

fn element(kind: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[kind], name, &[0], value].concat()
}

/// A document of these elements, with the length that it has.
fn framed(elements: &[u8]) -> Vec<u8> {
    let length = i32::try_from(elements.len() + 5).unwrap_or(i32::MAX);
    [&length.to_le_bytes(), elements, &[0]].concat()
}

/// The same document with another length at its front.
fn claiming(document: &[u8], length: i32) -> Vec<u8> {
    [&length.to_le_bytes(), document.get(4..).unwrap_or_default()].concat()
}
