use bson::rawdoc;

use super::*;

#[test]
fn options_that_say_what_is_so_without_them_make_no_difference() {
    let options = |raw: bson::RawDocumentBuf| CollectionOptions::new(&raw).unwrap();
    let plain = options(rawdoc! { "validator": { "x": 1 } });
    let told = rawdoc! {
        "validator": { "x": 1 }, "validationLevel": "strict", "validationAction": "error",
        "changeStreamPreAndPostImages": { "enabled": false },
    };
    assert_eq!(options(told), plain);
    let warning = plain.changed(&rawdoc! { "validationAction": "warn" });
    assert_ne!(warning, plain);
    assert_eq!(warning.changed(&rawdoc! { "validationAction": "error" }), plain);
}
