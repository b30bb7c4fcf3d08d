//! The conformance suite: what [`Log`], [`Documents`] and [`Leases`] owe, checked on a real store.
//!
//! A store's own test is short: it implements [`StoreBuilder`] and awaits [`run`]. A check that
//! fails panics, and its name is printed.

mod apply_checks;
mod document_checks;
mod lease_checks;
mod log_checks;
mod trim_checks;

use std::future::Future;

use crate::{
    batch::Batch,
    documents::{Applied, Documents},
    ids::OwnerId,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::Log,
    store_error::StoreError,
};

/// Makes the stores that the suite checks.
pub trait StoreBuilder {
    /// The store.
    type Store: Log + Documents + Leases + Clone;
    /// What lives as long as a store and cleans up behind it, for example a temporary folder.
    type Guard;

    /// A new, empty store. The suite uses the namespaces of [`DATABASE`](super::documents::DATABASE).
    fn build(&self) -> impl Future<Output = (Self::Guard, Self::Store)>;

    /// Closes `store`, the only handle, and opens it again; `None` when the store does not
    /// outlive its handles.
    fn reopen(&self, guard: &Self::Guard, store: Self::Store) -> impl Future<Output = Option<Self::Store>>;

    /// The name of the node, which every error of the store must tell.
    fn node(&self) -> &str;

    /// Whether data and checkpoint are written as one, so that a refused batch leaves no trace.
    fn atomic(&self) -> bool;
}

/// The check that runs, printed when it fails.
struct Running(&'static str);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the conformance check that failed: {}", self.0);
        }
    }
}

macro_rules! run_checks {
    ($builder:expr, $($module:ident: [$($check:ident),+ $(,)?]),+ $(,)?) => {
        $($({
            let _running = Running(concat!(stringify!($module), "::", stringify!($check)));
            Box::pin($module::$check($builder)).await;
        })+)+
    };
}

/// Runs every check, each on a new store.
///
/// # Panics
/// When the store does not do what it owes.
pub async fn run(builder: &impl StoreBuilder) {
    run_checks! { builder,
        log_checks: [
            a_new_store_holds_no_log,
            a_log_is_created_once,
            of_two_creators_both_see_the_same_log,
            appended_entries_are_read_back_as_they_are,
            every_kind_of_entry_survives,
            the_same_entries_twice_are_one_append,
            an_overlapping_append_adds_only_what_is_missing,
            an_append_of_nothing_changes_nothing,
            an_append_at_a_taken_position_is_beaten,
            an_append_is_beaten_in_its_middle,
            an_operation_id_at_another_position_is_beaten,
            an_append_that_would_leave_a_hole_is_refused,
            an_append_to_another_predecessor_is_refused,
            an_append_in_an_older_term_is_refused,
            entries_that_do_not_follow_each_other_leave_the_log_dense,
            rivals_leave_one_dense_log,
            a_read_is_bounded_by_entries,
            a_read_is_bounded_by_bytes,
            a_read_yields_one_entry_that_is_larger_than_the_limit,
            a_read_starts_where_it_is_told,
            an_operation_is_found_by_its_id,
            a_log_survives_a_restart,
            acknowledgements_are_remembered,
            append_without_a_log_names_the_node,
        ],
        trim_checks: [
            trimmed_entries_are_gone_and_the_floor_stays,
            a_trim_to_an_older_floor_changes_nothing,
            a_trim_above_the_head_is_a_defect,
            an_emptied_log_continues_where_it_ended,
            an_append_below_the_floor_does_not_count,
            a_trimmed_operation_is_not_found,
            a_floor_survives_a_restart,
        ],
        document_checks: [
            a_new_store_is_empty,
            documents_are_got_in_the_order_of_the_ids,
            equal_ids_of_different_types_are_one_document,
            a_scan_keeps_the_order_of_mongodb,
            a_scan_goes_on_after_any_id,
            a_scan_is_bounded_by_entries_and_bytes,
            namespaces_are_listed_while_they_hold_documents,
            a_digest_is_that_of_the_documents,
            a_stop_is_remembered,
            every_bson_type_survives_byte_for_byte,
            documents_survive_a_restart,
        ],
        apply_checks: [
            an_apply_inserts_replaces_and_deletes,
            an_apply_moves_the_checkpoint,
            a_document_may_come_and_go_within_a_batch,
            a_document_may_come_back_as_an_equal_id_of_another_type,
            a_batch_of_noops_only_moves_the_checkpoint,
            a_new_term_moves_the_checkpoint,
            a_batch_goes_to_many_namespaces,
            the_first_batch_starts_at_the_origin,
            a_batch_is_applied_once,
            a_batch_that_skips_entries_is_refused,
            a_batch_of_another_log_is_refused,
            a_batch_of_another_history_is_refused,
            an_owner_without_a_lease_is_refused,
            an_owner_whose_lease_was_taken_is_refused,
            of_two_appliers_one_moves_the_checkpoint,
            an_insert_of_a_present_document_is_drift,
            an_update_of_an_absent_document_is_drift,
            a_delete_of_an_absent_document_is_drift,
            a_log_that_contradicts_itself_is_refused,
            an_apply_forgets_a_stop,
        ],
        lease_checks: [
            a_lease_starts_free,
            a_lease_is_swapped_only_from_what_is_expected,
            leases_are_apart,
            of_rivals_one_takes_a_lease,
        ],
    }
}

/// Everything.
const ALL: Limits = Limits { entries_max: 10_000, bytes_max: 64 * 1024 * 1024 };

/// Makes `owner` the applier, whoever was it before.
async fn lease_documents(store: &impl Leases, owner: OwnerId) {
    let found = store.lease(LeaseName::Documents).await.expect("the lease is read");
    let lease = Lease { owner, holder: format!("process {owner}"), beat: 0 };
    let swapped = store.swap_lease(LeaseName::Documents, found.as_ref(), Some(&lease)).await;
    assert!(swapped.expect("the lease is swapped"), "nobody else takes the lease");
}

/// Applies a batch as an owner who takes the lease first.
async fn apply(store: &(impl Documents + Leases), batch: &Batch) -> Result<Applied, StoreError> {
    let owner = super::chain::owner_id(1);
    lease_documents(store, owner).await;
    store.apply(batch, owner).await
}
