//! Random values and documents, small, so that they collide.

use bson::{
    Binary, Bson, DateTime, Decimal128, Document as Fields, JavaScriptCodeWithScope, Regex, Timestamp, doc,
    oid::ObjectId, spec::BinarySubtype,
};

use super::random::Random;

const NAMES: &[&str] = &["a", "b", "c", "d", "0", "1", "2", "10", "x"];
const DECIMALS: &[&str] = &[
    "0",
    "-0",
    "0E+3",
    "0.00",
    "1",
    "1.0",
    "1.00",
    "-1.5",
    "0.1",
    "2.5E+3",
    "1E+30",
    "1E-6176",
    "-1E-6170",
    "9E+6144",
    "1E+6111",
    "12345678901234567890.5",
    "9999999999999999999999999999999999",
    "0.3333333333333333333333333333333333",
    "5",
    "5E+33",
    "Infinity",
    "-Infinity",
    "NaN",
    "-7",
];
const DOUBLES: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    0.1,
    -0.3,
    2.5,
    1e15,
    1e16,
    123_456.789,
    9_007_199_254_740_993.0,
    1e300,
    -1e300,
    5e-324,
    2e-308,
    f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    0.000_001_234_5,
    2_147_483_648.0,
    3.0,
];
const LONGS: &[i64] =
    &[0, 1, -1, 2, 3, 5, 7, 2_147_483_647, 2_147_483_648, -2_147_483_649, i64::MAX, i64::MIN, 9_007_199_254_740_993];
const INTS: &[i32] = &[0, 1, -1, 2, 3, 5, 7, 10, 100, i32::MAX, i32::MIN, 65_536];

pub(super) fn number(random: &mut Random) -> Bson {
    match random.below(10) {
        0..4 => (*random.pick(INTS)).into(),
        4..6 => (*random.pick(LONGS)).into(),
        6..8 if random.one_in(4) => {
            let power = i32::try_from(random.below(60)).unwrap() - 30;
            #[allow(clippy::cast_precision_loss)]
            let fraction = (random.next() >> 11) as f64;
            (fraction * 10_f64.powi(power)).into()
        }
        6..8 => (*random.pick(DOUBLES)).into(),
        _ => decimal(random).into(),
    }
}

fn decimal(random: &mut Random) -> Decimal128 {
    if random.one_in(3) {
        let digits = 1 + random.below(34);
        let text: String = (0..digits).map(|_| char::from(b'0' + u8::try_from(random.below(10)).unwrap())).collect();
        let exponent = i32::try_from(random.below(80)).unwrap() - 40;
        return format!("{}{text}E{exponent}", if random.one_in(3) { "-" } else { "" }).parse().unwrap();
    }
    random.pick(DECIMALS).parse().unwrap()
}

/// Any value that is neither a document nor an array.
pub(super) fn scalar(random: &mut Random) -> Bson {
    match random.below(28) {
        0..10 => number(random),
        10..14 => Bson::String((*random.pick(&["", "a", "b", "text", "\u{e4}", "a\0b"])).to_owned()),
        14..16 => Bson::Null,
        16..18 => Bson::Boolean(random.one_in(2)),
        18 | 19 => Bson::DateTime(DateTime::from_millis(*random.pick(&[0, -1, 1000, 1_600_000]))),
        20 => Bson::ObjectId(ObjectId::from_bytes([u8::try_from(random.below(3)).unwrap(); 12])),
        21 => Bson::Timestamp(Timestamp { time: 1, increment: u32::try_from(random.below(3)).unwrap() }),
        22 => {
            let subtype = if random.one_in(3) { BinarySubtype::BinaryOld } else { BinarySubtype::Generic };
            Bson::Binary(Binary { subtype, bytes: vec![1; random.below(7)] })
        }
        23 => random.pick(&[Bson::MinKey, Bson::MaxKey]).clone(),
        24 => Bson::RegularExpression(Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() }),
        25 => Bson::JavaScriptCode("f".to_owned()),
        26 => Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: "f".to_owned(), scope: doc! { "a": 1 } }),
        _ => random.pick(&[Bson::Undefined, Bson::Symbol("a".to_owned())]).clone(),
    }
}

pub(super) fn value(random: &mut Random, depth: usize) -> Bson {
    match random.below(if depth == 0 { 5 } else { 10 }) {
        0..5 => scalar(random),
        5..7 => Bson::Document(fields(random, depth - 1)),
        _ => Bson::Array(array(random, depth - 1)),
    }
}

pub(super) fn array(random: &mut Random, depth: usize) -> Vec<Bson> {
    let alike = random.one_in(2);
    let item = |random: &mut Random| if alike { number(random) } else { value(random, depth) };
    (0..random.below(6)).map(|_| item(random)).collect()
}

pub(super) fn fields(random: &mut Random, depth: usize) -> Fields {
    (0..random.below(5)).map(|_| (name(random), value(random, depth))).collect()
}

pub(super) fn name(random: &mut Random) -> String {
    match random.below(60) {
        0 => "$z".to_owned(),
        1 => "$id".to_owned(),
        2 => "01".to_owned(),
        3 => "1a".to_owned(),
        4 => "_id".to_owned(),
        _ => (*random.pick(NAMES)).to_owned(),
    }
}

/// An id that belongs to this case only.
pub(super) fn id(random: &mut Random, case: usize) -> Bson {
    let number = i32::try_from(case).unwrap();
    match random.below(8) {
        0 => Bson::Int64(number.into()),
        1 => Bson::Double(number.into()),
        2 => Bson::Document(doc! { "x": number, "b": 1 }),
        3 => Bson::String(format!("case {case}")),
        _ => Bson::Int32(number),
    }
}
