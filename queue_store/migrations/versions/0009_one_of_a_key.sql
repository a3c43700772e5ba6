-- Records of one order_key run one after the other, also where an earlier one comes to light while a later one runs:
-- whoever claims it meanwhile meets this rule, and claims again. The predicate is spelt so that only who asks for this
-- index is led to it.
CREATE UNIQUE INDEX CONCURRENTLY processing_queue_running_key ON public.processing_queue (flow_name, order_key)
    WHERE order_key IS NOT NULL AND status || '' = 'processing'
