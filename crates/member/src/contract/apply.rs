//! What every adapter has to do with resolved records: write what is to be written and nothing else, atomically with
//! the offsets; park what the database refuses; lose no user's change.
//!
//! [`crate::apply_contract!`] makes a test of each check.

pub mod decisions;
pub mod directions;
pub mod feed;
pub mod parking;
pub mod references;
pub mod refill;
pub mod unique;
pub mod values;

/// Makes a test of every check of what adapters apply: `apply_contract!(block_on, factory)`, with a function that
/// runs a future to its end and an expression that makes a
/// [`crate::contract::fixture::Factory`]; or with `list` in front a list of names and functions, for a harness of
/// another kind.
#[macro_export]
macro_rules! apply_contract {
    (list $block_on:path, $factory:expr) => {
        $crate::apply_contract!(@all list, $block_on, $factory)
    };
    ($block_on:path, $factory:expr) => {
        $crate::apply_contract!(@all tests, $block_on, $factory);
    };
    (@all $how:ident, $block_on:path, $factory:expr) => {
        $crate::apply_contract! { @$how $block_on, $factory,
            decisions {
                what_is_applied_is_not_captured
                own_changes_cost_no_write
                a_users_newer_change_stands
                deletes_of_absent_rows_are_noted
                the_last_record_of_a_cell_counts
                offsets_are_compared_and_set
                replays_change_nothing
                columns_of_the_members_own_survive
                absent_columns_become_null
                null_records_end_tombstones
                saved_changes_are_written_over
                rows_that_were_there_before
                rows_that_the_scan_has_passed
                unreadable_keys_are_parked
                unbound_tables_are_refused
            }
            directions {
                subscribers_give_way
                subscribers_keep_what_no_record_touches
                a_changed_direction_is_refused
            }
            parking {
                refused_records_hold_up_nobody
                parked_records_are_listed_in_full
                newer_records_end_what_is_parked
                retries_give_way_to_newer_records
                users_overtake_parked_records
                parked_deletes_outlive_their_tombstone
                a_flood_is_listed_and_made_due_in_pages
                a_clock_set_back_delays_no_retry
            }
            references {
                parents_before_children
                children_wait_for_their_parent
                pages_of_retries_follow_each_other
                refused_records_leave_tracking_alone
                deletes_wait_for_their_children
                rows_that_refer_to_rows_of_their_table
                chains_without_a_root_wait
                tables_in_a_circle
                cascades_never_fire
                whole_trees_are_deleted_at_once
                cascades_through_tables_that_are_not_synchronised
                blocked_deletes_are_restored
                restoring_waits_for_synchronised_children
            }
            refill {
                gained_columns_are_filled
                what_was_given_meanwhile_becomes_a_change
                what_was_read_before_is_not_published
                a_row_that_cannot_take_the_value_is_named
                directions_decide_what_is_filled
                what_was_given_in_a_later_life_says_what_it_saw
                what_was_given_to_a_row_that_the_scan_has_passed
            }
            unique {
                values_are_swapped_in_one_batch
                values_are_swapped_in_two_batches
                values_move_along_a_chain
                the_holder_is_deleted_first
                true_conflicts_are_listed
                constraints_of_several_columns
            }
            values {
                every_type_reads_back
                every_key_type_finds_its_row
                odd_names
                digests_compare_members
            }
        }
    };
    (@tests $block_on:path, $factory:expr, $($module:ident { $($check:ident)* })*) => {
        $($crate::apply_contract!(@module $module, $block_on, $factory, $($check)*);)*
    };
    (@list $block_on:path, $factory:expr, $($module:ident { $($check:ident)* })*) => {
        vec![$($(
            (
                concat!(stringify!($module), "::", stringify!($check)),
                (|| $block_on($crate::contract::apply::$module::$check(&$factory))) as fn(),
            ),
        )*)*]
    };
    (@module $module:ident, $block_on:path, $factory:expr, $($check:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $check() {
                    $block_on($crate::contract::apply::$module::$check(&$factory));
                }
            )*
        }
    };
}
