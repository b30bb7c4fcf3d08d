//! The bodies of the fuzz targets, one per file. Whatever the bytes are, they return, and what they
//! accept keeps its promises. Plain tests run them too, over and around the named files of
//! [`corpus`].

mod apply;
mod batch;
pub mod corpus;
mod diff;
mod document;
mod entry;
mod fold;
mod hostile_log;
mod id_order;
mod namespace;
mod script;
mod update;

use self::corpus::Target;
pub use self::{
    apply::apply_batches, batch::read_batches, diff::apply_diff, document::check_document, entry::decode_entry,
    fold::fold_batch, id_order::order_ids, namespace::check_namespace, update::evaluate_update,
};

/// The targets of this crate, with the seeds that their corpus is made of.
pub const TARGETS: [Target; 9] = [
    Target { name: "apply_batches", body: apply_batches, seeds: apply::seeds },
    Target { name: "apply_diff", body: apply_diff, seeds: diff::seeds },
    Target { name: "check_document", body: check_document, seeds: document::seeds },
    Target { name: "check_namespace", body: check_namespace, seeds: namespace::seeds },
    Target { name: "decode_entry", body: decode_entry, seeds: entry::seeds },
    Target { name: "evaluate_update", body: evaluate_update, seeds: update::seeds },
    Target { name: "fold_batch", body: fold_batch, seeds: fold::seeds },
    Target { name: "order_ids", body: order_ids, seeds: id_order::seeds },
    Target { name: "read_batches", body: read_batches, seeds: batch::seeds },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_core_holds_around_its_corpus() {
        let runs = corpus::run("oplogsync_core", &TARGETS);
        assert!(runs > 10_000, "{runs} inputs");
    }

    #[test]
    fn every_target_has_a_corpus_and_every_corpus_a_target() {
        corpus::assert_complete();
    }
}
