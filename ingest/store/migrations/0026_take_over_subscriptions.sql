-- Not in a transaction: imports go on meanwhile.

CALL take_over_subscriptions();

-- WHEN: not what follows the rows.
CREATE OR REPLACE TRIGGER profiles_are_inserted
    AFTER INSERT ON profiles
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.subscriptions IS NOT NULL)
    EXECUTE FUNCTION follow_subscription_document();

CREATE OR REPLACE TRIGGER profiles_are_updated
    AFTER UPDATE OF subscriptions ON profiles
    FOR EACH ROW WHEN (pg_trigger_depth() = 0
                       AND OLD.subscriptions::text IS DISTINCT FROM
                           NEW.subscriptions::text)
    EXECUTE FUNCTION follow_subscription_document();

CREATE OR REPLACE TRIGGER profiles_are_deleted
    AFTER DELETE ON profiles
    FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION follow_subscription_document();
