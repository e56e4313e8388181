//! The cases, and which there are, so that every kind of log can be put under them.

pub(crate) mod apply;
pub(crate) mod capture;
pub(crate) mod exceptions;
pub(crate) mod recapture;
pub(crate) mod resolver;

/// Hands the cases to a macro, by module: those for any log, then those for the embedded log alone, since they need a
/// clock that can be set or would take too long with a broker.
macro_rules! all {
    ($take:ident) => {
        $take! {
            apply {
                any: the_log_is_told_how_far_a_member_is;
                embedded: failing_calls_lose_and_double_nothing, delays_are_by_the_logs_clock;
            }
            capture {
                any: one_worker_leads_and_the_other_takes_over,
                    a_long_pause_does_not_cost_the_lead_and_ends_when_it_is_lost,
                    a_zombie_is_fenced_and_doubles_nothing,
                    a_fenced_leader_that_still_leads_begins_again,
                    a_row_over_the_logs_own_limit_is_listed_and_keeps_nothing_back,
                    the_first_change_of_every_page_begins_a_trace;
                embedded: failing_calls_lose_and_double_nothing, times_are_the_logs_and_keep_their_order;
            }
            exceptions {
                any: foreign_changes_are_listed_and_the_partition_goes_on,
                    foreign_settlements_are_listed_and_change_no_row,
                    nothing_is_passed_before_it_is_listed;
                embedded: ;
            }
            recapture {
                any: changes_deleted_while_the_resolver_was_down_arrive_all_the_same,
                    changes_deleted_before_any_resolver_ran_are_published_again,
                    a_member_that_was_away_carries_the_order_out_when_it_is_back,
                    changes_deleted_under_a_slow_resolver_are_noticed;
                embedded: ;
            }
            resolver {
                any: two_processes_share_the_partitions_and_hand_them_over,
                    a_resolver_without_partitions_stands_by,
                    a_zombie_publishes_nothing_and_comes_back,
                    the_state_claims_nothing_that_it_never_saw,
                    a_record_over_the_logs_own_limit_stops_the_resolver_and_loses_nothing;
                embedded: failing_calls_lose_and_double_nothing,
                    a_long_sleep_is_slept_off_before_anything_is_published;
            }
        }
    };
}

pub(crate) use all;
