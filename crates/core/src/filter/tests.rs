use proptest::prelude::*;

use super::*;

fn filter(include: &[&str], exclude: &[&str], renames: &[(&str, &str)]) -> Result<Filter, FilterError> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let renames: Vec<_> = renames.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    Filter::new(&owned(include), &owned(exclude), &renames)
}

fn mapped(filter: &Filter, ns: &str) -> Option<String> {
    filter.map(&Namespace::new(ns).unwrap()).map(|ns| ns.to_string())
}

#[test]
fn without_rules_everything_passes_under_its_own_name() {
    let filter = filter(&[], &[], &[]).unwrap();
    assert_eq!(filter, Filter::everything());
    assert!(filter.is_everything() && filter.is_whole("shop"));
    assert_eq!(mapped(&filter, "shop.orders").as_deref(), Some("shop.orders"));
}

#[test]
fn a_database_a_collection_and_a_pattern_are_included_and_excluded() {
    let filter = filter(&["shop", "crm.people", "logs.2026*"], &["shop.tmp_*", "*.secret"], &[]).unwrap();
    for (ns, passes) in [
        ("shop.orders", true),
        ("shop.orders.old", true),
        ("shop.tmp_1", false),
        ("shop.secret", false),
        ("shopping.orders", false),
        ("crm.people", true),
        ("crm.people.old", false),
        ("logs.2026.01", true),
        ("logs.2025", false),
    ] {
        assert_eq!(mapped(&filter, ns).is_some(), passes, "{ns}");
    }
    assert_eq!(filter.databases(), Some(vec!["crm", "logs", "shop"]));
    assert!(!filter.is_whole("shop"), "a part of it is excluded");
}

#[test]
fn a_database_and_a_collection_are_renamed_the_collection_first() {
    let filter = filter(&["shop"], &[], &[("shop", "copy"), ("shop.orders", "archive.o")]).unwrap();
    assert_eq!(mapped(&filter, "shop.people").as_deref(), Some("copy.people"));
    assert_eq!(mapped(&filter, "shop.orders").as_deref(), Some("archive.o"));
    assert_eq!(mapped(&filter, "crm.people"), None);
}

#[test]
fn names_may_be_swapped() {
    let filter = filter(&[], &[], &[("a.x", "a.y"), ("a.y", "a.x")]).unwrap();
    assert_eq!(mapped(&filter, "a.x").as_deref(), Some("a.y"));
    assert_eq!(mapped(&filter, "a.y").as_deref(), Some("a.x"));
}

#[test]
fn two_namespaces_never_get_one_name() {
    for (include, renames) in [
        (vec![], vec![("a", "b")]),
        (vec!["a", "b.x"], vec![("a", "b")]),
        (vec![], vec![("a.x", "b.y")]),
        (vec!["a", "c"], vec![("a.x", "d.x"), ("c.x", "d.x")]),
        (vec!["a"], vec![("a.x", "a.y")]),
        (vec!["a"], vec![("a", "b"), ("a", "c")]),
    ] {
        let refused = filter(&include, &[], &renames);
        assert!(matches!(refused, Err(FilterError::Collision { .. })), "{include:?} {renames:?}: {refused:?}");
    }
    assert!(filter(&["a"], &[], &[("a", "b")]).is_ok());
    assert!(filter(&[], &["b"], &[("a", "b")]).is_ok());
}

#[test]
fn what_is_no_pattern_or_no_name_is_refused() {
    for pattern in ["", ".", "a.", ".a", "a b", "$x.y"] {
        assert!(matches!(filter(&[pattern], &[], &[]), Err(FilterError::Pattern { .. })), "{pattern}");
    }
    for (from, to) in [("a", "b.c"), ("a.b", "c"), ("a", "admin"), ("a.b", "local.c"), ("a", "x/y"), ("", "b")] {
        assert!(matches!(filter(&["q"], &[], &[(from, to)]), Err(FilterError::Rename { .. })), "{from} {to}");
    }
}

/// Also what is no namespace.
#[test]
fn whatever_a_server_may_hold_can_be_left_out() {
    for name in ["od:d.x", "en.d.", "en.a b", "en.a$b", "a|b.x"] {
        let excluding = filter(&[], &[name], &[]).unwrap();
        assert!(!excluding.includes(name) && excluding.includes("en.other"), "{name}");
    }
}

#[test]
fn filters_with_the_same_rules_are_one_and_others_are_not() {
    let one = filter(&["a", "b.*"], &["a.x"], &[("a", "c")]).unwrap();
    assert_eq!(one, filter(&["b", "a"], &["a.x"], &[("a", "c")]).unwrap());
    for other in [
        filter(&["a"], &["a.x"], &[("a", "c")]),
        filter(&["a", "b"], &[], &[("a", "c")]),
        filter(&["a", "b"], &["a.x"], &[("a", "d")]),
        filter(&["a", "b", "a.x"], &[], &[("a", "c")]),
    ] {
        assert_ne!(one, other.unwrap());
    }
}

#[test]
fn a_filter_on_one_collection_says_so() {
    assert_eq!(filter(&["a.b"], &[], &[]).unwrap().only_collection(), Some(Namespace::new("a.b").unwrap()));
    for include in [&["a"][..], &["a.*"], &["a.b", "a.c"], &[]] {
        assert_eq!(filter(include, &[], &[]).unwrap().only_collection(), None, "{include:?}");
    }
}

/// What `glob` means, told letter by letter.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if matches(rest, text) => true,
        (Some((b'*', _)), Some((_, text))) => matches(pattern, text),
        (Some((a, pattern)), Some((b, text))) if a == b => matches(pattern, text),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_star_stands_for_any_characters(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        prop_assert_eq!(glob(&pattern, &text), matches(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn no_two_namespaces_are_mapped_to_one_and_the_way_back_is_known(
        include in proptest::collection::vec("[ab]|[ab]\\.[xy*]", 0..3),
        renames in proptest::collection::vec(("[ab]", "[abc]"), 0..3),
        moves in proptest::collection::vec(("[ab]\\.[xy]", "[abc]\\.[xyz]"), 0..2),
    ) {
        let renames: Vec<_> = renames.into_iter().chain(moves).collect();
        if let Ok(filter) = Filter::new(&include, &[], &renames) {
            let all: Vec<_> = ["a", "b", "c"].iter()
                .flat_map(|db| ["x", "y", "z"].map(|name| Namespace::new(&format!("{db}.{name}")).unwrap()))
                .collect();
            for ns in &all {
                let found: Vec<_> = all.iter().filter(|source| filter.map(source).as_ref() == Some(ns)).collect();
                let origin = filter.origin(ns);
                prop_assert_eq!(origin.iter().collect::<Vec<_>>(), found, "{} {:?}", ns, filter);
            }
            let mut targets: Vec<_> = all.iter().filter_map(|ns| filter.map(ns)).collect();
            let count = targets.len();
            targets.sort();
            targets.dedup();
            prop_assert_eq!(targets.len(), count, "{:?}", filter);
        }
    }
}
