package testnode;

import org.elasticsearch.Build;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.admin.indices.delete.DeleteIndexRequest;
import org.elasticsearch.action.admin.indices.delete.TransportDeleteIndexAction;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexMetadata;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.core.CheckedFunction;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.*;
import org.elasticsearch.xcontent.*;
import org.elasticsearch.xpack.core.ilm.*;
import org.elasticsearch.xpack.core.ilm.action.PutLifecycleRequest;
import org.elasticsearch.core.TimeValue;
import org.apache.lucene.util.Version;

import java.io.IOException;
import java.util.*;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Predicate;
import java.util.function.Supplier;

import static org.elasticsearch.rest.RestRequest.Method.*;

/**
 * What the server's own archive lacks: GET /, and lifecycle policies. Policies are read, checked and
 * written back by Elastic's own classes; that they are kept in a map, and who carries them out
 * (POST /_test/ilm/run), is ours. With -Dtest.ilm=false there are none, as on a server without them.
 */
public final class TestExtras extends Plugin implements ActionPlugin {
    private final Map<String, LifecyclePolicyMetadata> policies = new ConcurrentSkipListMap<>();
    private final boolean hasPolicies = !"false".equals(System.getProperty("test.ilm"));
    private ClusterService cluster;
    private IndexNameExpressionResolver names;

    @Override public Collection<?> createComponents(PluginServices s) {
        cluster = s.clusterService(); names = s.indexNameExpressionResolver();
        return List.of();
    }
    @Override public List<Setting<?>> getSettings() {
        if (!hasPolicies) return List.of();
        return List.of(LifecycleSettings.LIFECYCLE_NAME_SETTING, LifecycleSettings.LIFECYCLE_POLL_INTERVAL_SETTING,
            LifecycleSettings.LIFECYCLE_INDEXING_COMPLETE_SETTING, LifecycleSettings.LIFECYCLE_STEP_WAIT_TIME_THRESHOLD_SETTING,
            RolloverAction.LIFECYCLE_ROLLOVER_ALIAS_SETTING);
    }
    private static NamedXContentRegistry.Entry act(String n, CheckedFunction<XContentParser, LifecycleAction, IOException> f) {
        return new NamedXContentRegistry.Entry(LifecycleAction.class, new ParseField(n), f);
    }
    @Override public List<NamedXContentRegistry.Entry> getNamedXContent() {
        return List.of(
            new NamedXContentRegistry.Entry(LifecycleType.class, new ParseField(TimeseriesLifecycleType.TYPE), p -> TimeseriesLifecycleType.INSTANCE),
            act(AllocateAction.NAME, AllocateAction::parse), act(DeleteAction.NAME, DeleteAction::parse),
            act(DownsampleAction.NAME, DownsampleAction::parse), act(ForceMergeAction.NAME, ForceMergeAction::parse),
            act(FreezeAction.NAME, FreezeAction::parse), act(MigrateAction.NAME, MigrateAction::parse),
            act(ReadOnlyAction.NAME, ReadOnlyAction::parse), act(RolloverAction.NAME, RolloverAction::parse),
            act(SearchableSnapshotAction.NAME, SearchableSnapshotAction::parse), act(SetPriorityAction.NAME, SetPriorityAction::parse),
            act(ShrinkAction.NAME, ShrinkAction::parse), act(UnfollowAction.NAME, UnfollowAction::parse),
            act(WaitForSnapshotAction.NAME, WaitForSnapshotAction::parse));
    }

    interface Body { void run(RestRequest rq, RestChannel ch, NodeClient cl) throws Exception; }
    private static RestHandler handler(String name, Body body, RestHandler.Route... routes) {
        return new BaseRestHandler() {
            @Override public String getName() { return name; }
            @Override public List<Route> routes() { return List.of(routes); }
            @Override protected RestChannelConsumer prepareRequest(RestRequest rq, NodeClient cl) {
                if (rq.hasContent()) rq.content(); // marks the body as used
                for (String k : List.of("name", "index", "now", "master_timeout", "timeout", "human")) rq.param(k);
                return ch -> { try { body.run(rq, ch, cl); } catch (Exception e) { ch.sendResponse(new RestResponse(ch, e)); } };
            }
        };
    }
    private static void ok(RestChannel ch, XContentBuilder b) { ch.sendResponse(new RestResponse(RestStatus.OK, b)); }
    private static void fail(RestChannel ch, Exception e) { try { ch.sendResponse(new RestResponse(ch, e)); } catch (IOException x) { throw new java.io.UncheckedIOException(x); } }
    private static void ack(RestChannel ch) throws IOException { ok(ch, ch.newBuilder().startObject().field("acknowledged", true).endObject()); }

    @Override public Collection<RestHandler> getRestHandlers(RestHandlersServices s, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> f) {
        RestHandler root = handler("root", this::root, new RestHandler.Route(GET, "/"), new RestHandler.Route(HEAD, "/"));
        if (!hasPolicies) return List.of(root);
        return List.of(
            root,
            handler("ilm_put", this::put, new RestHandler.Route(PUT, "/_ilm/policy/{name}")),
            handler("ilm_get", this::get, new RestHandler.Route(GET, "/_ilm/policy"), new RestHandler.Route(GET, "/_ilm/policy/{name}")),
            handler("ilm_delete", this::delete, new RestHandler.Route(DELETE, "/_ilm/policy/{name}")),
            handler("ilm_run", this::run, new RestHandler.Route(POST, "/_test/ilm/run")));
    }
    private void root(RestRequest rq, RestChannel ch, NodeClient cl) throws IOException {
        Build b = Build.current();
        ok(ch, ch.newBuilder().startObject().field("name", cl.getLocalNodeId()).field("cluster_name", cluster.getClusterName().value())
            .field("cluster_uuid", cluster.state().metadata().clusterUUID())
            .startObject("version").field("number", b.version()).field("build_flavor", b.flavor()).field("build_type", b.type().displayName())
            .field("build_hash", b.hash()).field("build_date", b.date()).field("build_snapshot", b.isSnapshot())
            .field("lucene_version", Version.LATEST.toString()).field("minimum_wire_compatibility_version", b.minWireCompatVersion())
            .field("minimum_index_compatibility_version", b.minIndexCompatVersion()).endObject()
            .field("tagline", "You Know, for Search").endObject());
    }
    private void put(RestRequest rq, RestChannel ch, NodeClient cl) throws IOException {
        String name = rq.param("name");
        PutLifecycleRequest r;
        try (XContentParser p = rq.contentParser()) {
            r = PutLifecycleRequest.parseRequest(new PutLifecycleRequest.Factory() {
                @Override public PutLifecycleRequest create(LifecyclePolicy policy) { return new PutLifecycleRequest(TimeValue.THIRTY_SECONDS, TimeValue.THIRTY_SECONDS, policy); }
                @Override public String getPolicyName() { return name; }
            }, p);
        }
        var bad = r.validate();
        if (bad != null) throw bad;
        LifecyclePolicy.validatePolicyName(name);
        var old = policies.get(name);
        policies.put(name, new LifecyclePolicyMetadata(r.getPolicy(), Map.of(), old == null ? 1 : old.getVersion() + 1, System.currentTimeMillis()));
        ack(ch);
    }
    private void get(RestRequest rq, RestChannel ch, NodeClient cl) throws IOException {
        String name = rq.param("name");
        if (name != null && !policies.containsKey(name)) throw new org.elasticsearch.ResourceNotFoundException("Lifecycle policy not found: " + name);
        XContentBuilder b = ch.newBuilder().startObject();
        var project = cluster.state().metadata().getProject(org.elasticsearch.cluster.metadata.ProjectId.DEFAULT);
        for (var m : policies.values()) if (name == null || name.equals(m.getName())) {
            var use = new LifecyclePolicyUsageCalculator(names, project, List.of(m.getName())).retrieveCalculatedUsage(m.getName());
            b.startObject(m.getName()).field("version", m.getVersion()).field("modified_date", m.getModifiedDateString())
                .field("policy", m.getPolicy()).field("in_use_by", use).endObject();
        }
        ok(ch, b.endObject());
    }
    private void delete(RestRequest rq, RestChannel ch, NodeClient cl) throws IOException {
        if (policies.remove(rq.param("name")) == null) throw new org.elasticsearch.ResourceNotFoundException("Lifecycle policy not found: " + rq.param("name"));
        ack(ch);
    }
    /** Our own clock-driven runner, delete phase only: ?now=EPOCH_MILLIS stands for the present. */
    private void run(RestRequest rq, RestChannel ch, NodeClient cl) throws IOException {
        long now = Long.parseLong(rq.param("now", Long.toString(System.currentTimeMillis())));
        List<String> gone = new ArrayList<>();
        for (IndexMetadata im : cluster.state().metadata().getProject(org.elasticsearch.cluster.metadata.ProjectId.DEFAULT).indices().values()) {
            var m = policies.get(im.getLifecyclePolicyName() == null ? "" : im.getLifecyclePolicyName());
            Phase d = m == null ? null : m.getPolicy().getPhases().get("delete");
            long from = im.getSettings().getAsLong("index.lifecycle.origination_date", im.getCreationDate());
            if (d != null && now - from >= d.getMinimumAge().millis()) gone.add(im.getIndex().getName());
        }
        ActionListener<Void> done = ActionListener.wrap(v -> ok(ch, ch.newBuilder().startObject().field("deleted", gone).endObject()),
            e -> fail(ch, e));
        if (gone.isEmpty()) done.onResponse(null);
        else cl.execute(TransportDeleteIndexAction.TYPE, new DeleteIndexRequest(gone.toArray(String[]::new)), done.map(x -> null));
    }
}
