//! The conformance suite: what [`Log`], [`Documents`], [`Leases`] and [`SyncTarget`] owe, checked on a real store.
//!
//! A store's own test is short: it implements [`StoreBuilder`] and awaits [`run`], and [`run_spool`] if the
//! store is a [`SpoolLog`]. A check that fails panics, and its name is printed.

mod apply_checks;
mod command_checks;
mod copy_checks;
mod document_checks;
mod index_checks;
mod lease_checks;
mod log_checks;
mod mend_checks;
mod patch_checks;
mod rename_checks;
mod spool_checks;
mod target_checks;
mod trim_checks;
mod view_checks;

use std::future::Future;

use crate::{
    batch::Batch,
    documents::{Applied, Documents},
    ids::OwnerId,
    initial_sync::SyncTarget,
    lease::{Lease, LeaseName, Leases},
    limits::Limits,
    log::Log,
    spool::SpoolLog,
    store_error::StoreError,
};

/// Makes the stores that the suite checks.
pub trait StoreBuilder {
    /// The store.
    type Store: Log + SyncTarget + Clone;
    /// What lives as long as a store and cleans up behind it, for example a temporary folder.
    type Guard;

    /// A new, empty store. The suite uses the namespaces of [`DATABASE`](super::documents::DATABASE), and
    /// those of [`StoreBuilder::other_database`].
    fn build(&self) -> impl Future<Output = (Self::Guard, Self::Store)>;

    /// Closes `store`, the only handle, and opens it again; `None` when the store does not
    /// outlive its handles.
    fn reopen(&self, guard: &Self::Guard, store: Self::Store) -> impl Future<Output = Option<Self::Store>>;

    /// The name of the node, which every error of the store must tell.
    fn node(&self) -> &str;

    /// Whether data and checkpoint are written as one, so that a refused batch leaves no trace.
    fn atomic(&self) -> bool;

    /// Another database that the stores hold, if they hold more than one.
    fn other_database(&self) -> Option<&str> {
        None
    }

    /// Whether somebody tells when a log has a new entry ([`Log::appended`]).
    fn tells(&self) -> bool {
        false
    }
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
    Box::pin(run_log(builder)).await;
    Box::pin(run_documents(builder)).await;
    Box::pin(run_commands(builder)).await;
    Box::pin(run_target(builder)).await;
}

async fn run_log(builder: &impl StoreBuilder) {
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
            an_append_wakes_those_who_wait_for_it,
            nobody_is_woken_for_nothing,
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
        lease_checks: [
            a_lease_starts_free,
            a_lease_is_swapped_only_from_what_is_expected,
            leases_are_apart,
            of_rivals_one_takes_a_lease,
        ],
    }
}

async fn run_documents(builder: &impl StoreBuilder) {
    run_checks! { builder,
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
        patch_checks: [
            a_patch_changes_a_part_of_a_document,
            patches_of_one_document_are_applied_in_order,
            a_patch_may_follow_an_insert_or_a_replacement,
            a_patched_document_may_be_deleted_or_replaced,
            a_patch_that_does_not_fit_is_refused,
            a_patch_that_does_not_fit_its_own_batch_is_refused,
            a_patch_of_an_absent_document_is_drift,
        ],
        view_checks: [
            replayed_entries_are_applied_whatever_they_find,
            entries_behind_a_replay_are_strict_again,
            entries_that_were_copied_already_are_skipped,
            a_patch_that_was_copied_already_is_skipped,
            a_filter_leaves_out_and_renames,
            a_filtered_command_goes_by_the_name_at_the_target,
            an_image_takes_the_place_of_a_patch,
            what_stands_beside_the_checkpoint_is_remembered,
        ],
    }
}

async fn run_commands(builder: &impl StoreBuilder) {
    run_checks! { builder,
        command_checks: [
            a_collection_is_created_with_its_options,
            a_plain_collection_is_created,
            a_view_is_created_and_has_no_documents,
            documents_into_a_view_are_refused,
            a_view_is_not_made_of_a_collection_with_documents,
            a_collection_is_dropped_with_everything,
            a_collection_that_was_never_created_is_dropped,
            a_dropped_collection_may_come_back,
            a_database_is_dropped_with_everything_in_it,
            options_are_modified,
            a_command_that_does_not_concern_the_target_moves_the_checkpoint,
            collections_survive_a_restart,
        ],
        index_checks: [
            indexes_are_created_and_dropped,
            indexes_may_come_before_the_first_document,
            an_index_is_modified,
            indexes_that_are_not_there_are_dropped_already,
        ],
        rename_checks: [
            a_rename_takes_documents_options_and_indexes_along,
            a_rename_of_a_collection_that_was_never_created,
            a_rename_of_a_collection_without_documents,
            a_rename_is_done_once,
            a_rename_replaces_its_target_if_it_may,
            a_rename_onto_a_collection_is_refused,
            a_rename_onto_a_collection_that_has_nothing_any_more_is_made,
            both_names_of_a_rename_go_on,
            names_may_be_exchanged,
            a_renamed_collection_survives_a_restart,
            a_rename_into_another_database,
        ],
    }
}

async fn run_target(builder: &impl StoreBuilder) {
    run_checks! { builder,
        copy_checks: [
            a_piece_is_copied_with_its_note,
            a_copied_part_holds_nothing_else,
            documents_outside_of_the_part_are_left_alone,
            a_piece_is_copied_again,
            an_empty_piece_empties_its_part,
            a_piece_over_many_others_leaves_only_itself,
            pieces_follow_each_other,
            a_document_is_replaced_by_one_with_an_equal_id,
            a_piece_into_a_view_is_refused,
        ],
        mend_checks: [
            a_document_is_mended_whatever_is_there,
            a_document_with_an_equal_id_is_the_same_document,
            a_document_with_any_id_is_mended,
            nothing_else_is_mended,
            a_document_that_no_validator_lets_pass_is_mended,
            a_target_of_somebody_else_is_not_mended,
        ],
        target_checks: [
            notes_are_remembered_by_name,
            notes_are_written_in_their_order,
            notes_survive_a_restart,
            a_wipe_leaves_nothing_but_notes_and_log,
            a_wiped_target_is_filled_again,
            a_command_is_run_outside_of_any_batch,
            a_copied_target_begins_at_a_checkpoint,
            a_target_of_somebody_else_is_left_alone,
        ],
    }
}

/// Runs every check of a store whose log can be a copy of another one, each on a new store.
///
/// # Panics
/// When the store does not do what it owes.
pub async fn run_spool<B: StoreBuilder<Store: SpoolLog>>(builder: &B) {
    run_checks! { builder,
        spool_checks: [
            a_new_store_has_captured_nothing,
            a_copy_begins_at_a_checkpoint,
            a_copy_is_begun_once,
            a_log_that_a_primary_writes_is_no_copy,
            a_copy_takes_no_entries_of_a_primary,
            captured_entries_are_read_back_as_they_are,
            every_kind_of_entry_is_captured,
            a_batch_is_captured_once,
            an_operation_is_captured_once,
            a_batch_that_does_not_follow_is_not_captured,
            nothing_is_captured_without_the_lease,
            a_copy_is_trimmed_as_any_log,
            a_transaction_is_fetched_whole,
            what_stands_beside_the_entries_is_remembered,
            a_copy_survives_a_restart,
            a_capture_wakes_those_who_wait_for_it,
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
