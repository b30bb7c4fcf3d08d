//! Ids that equal each other and are not the same bytes: the newest stays, byte for byte.

use bson::{Decimal128, RawBson, RawDocumentBuf, raw::cstr, rawdoc};
use oplogsync_core::{
    document::Document,
    documents::Applied,
    testing::{
        chain::{Chain, log_id, valid},
        documents::namespace,
    },
};

use crate::fixture::Fixture;

/// Groups of equal ids.
fn equal_ids() -> Vec<Vec<RawBson>> {
    let decimal = |text: &str| RawBson::Decimal128(text.parse::<Decimal128>().unwrap());
    vec![
        vec![1_i32.into(), 1_i64.into(), 1.0.into(), decimal("1"), decimal("1.00")],
        vec![0_i32.into(), 0.0.into(), (-0.0).into(), decimal("-0")],
        vec![f64::NAN.into(), decimal("NaN")],
        vec![rawdoc! { "a": 1, "b": [2] }.into(), rawdoc! { "a": 1_i64, "b": [2.0] }.into()],
        vec!["text".into(), RawBson::Symbol("text".to_owned())],
    ]
}

fn with(id: &RawBson, field: &str, value: i32) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), id.as_raw_bson_ref());
    document.append(bson::raw::CString::try_from(field).unwrap(), value);
    document
}

#[tokio::test]
async fn a_document_takes_the_newest_of_its_equal_ids_whether_it_is_replaced_or_comes_back() {
    let ns = namespace("items");
    for fixture in Fixture::both().await {
        let mut chain = Chain::new(log_id(1));
        for ids in equal_ids() {
            for field in ["a", "$a"] {
                let first = with(&ids[0], "a", 0);
                fixture.apply(&chain.insert(&ns, first.clone()).take_batch()).await.expect("it is inserted");
                for (number, id) in ids.iter().chain([&ids[0]]).enumerate() {
                    let replaced = valid(with(id, field, i32::try_from(number).unwrap()));
                    expect(&fixture, chain.update(&ns, replaced.as_raw().to_owned()), &replaced).await;
                    let back = valid(with(id, field, -1));
                    expect(&fixture, chain.delete(&ns, back.id()).insert(&ns, back.as_raw().to_owned()), &back).await;
                    // The content stays, only the id is written in another way.
                    let other = valid(with(&ids[(number + 1) % ids.len()], field, -1));
                    expect(&fixture, chain.update(&ns, other.as_raw().to_owned()), &other).await;
                }
                fixture.apply(&chain.delete(&ns, valid(first).id()).take_batch()).await.expect("it is deleted");
            }
        }
    }
}

async fn expect(fixture: &Fixture, chain: &mut Chain, document: &Document) {
    let applied = fixture.apply(&chain.take_batch()).await.expect("it is applied");
    assert_eq!(applied, Applied { changed: 1, repeated: 0 }, "{document:?}");
    assert_eq!(fixture.items().await, [document.as_bytes()], "{document:?}");
}
