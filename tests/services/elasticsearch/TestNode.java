package org.elasticsearch.node;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.ClasspathPlugins;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/**
 * TestNode HOME PORT [key=value ...]: one node on 127.0.0.1:PORT, until SIGTERM or the end of its
 * standard input, so that it never outlives who started it. What it says stands in HOME/node.log.
 *
 * In this package because what builds a node of other plugins is visible here alone.
 */
public final class TestNode {
    public static void main(String[] args) throws Exception {
        Path home = Paths.get(args[0]).toAbsolutePath();
        Files.createDirectories(home.resolve("config"));
        PrintStream log = new PrintStream(Files.newOutputStream(home.resolve("node.log")), true);
        System.setOut(log);
        System.setErr(log);
        Settings.Builder settings = Settings.builder()
            .put("path.home", home.toString())
            .put("cluster.name", "test")
            .put("node.name", "n1")
            .put("network.host", "127.0.0.1")
            .put("http.port", args[1])
            .put("transport.port", 0)
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            // Each test has indices of its own; there are no more nodes to put them on.
            .put("cluster.max_shards_per_node", 10_000)
            .put("node.store.allow_mmap", false);
        for (String arg : List.of(args).subList(2, args.length)) {
            String[] pair = arg.split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        System.setProperty("es.logs.base_path", home.toString());
        LogConfigurator.configureESLogging();
        LogConfigurator.setNodeName("n1");
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), home.resolve("config"), () -> "n1");
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        for (String name : System.getProperty("test.plugins").split(",")) {
            plugins.add(Class.forName(name).asSubclass(Plugin.class));
        }
        PluginsLoader none = PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false);
        NodeServiceProvider provider = new NodeServiceProvider() {
            @Override
            PluginsService newPluginService(Environment e, PluginsLoader loader) {
                return new ClasspathPlugins(e.settings(), e.configDir(), plugins);
            }
        };
        Node node = new Node(NodeConstruction.prepareConstruction(environment, none, provider, true)) {};
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (IOException e) {
                e.printStackTrace();
            }
        }));
        node.start();
        System.in.transferTo(java.io.OutputStream.nullOutputStream());
        System.exit(0);
    }
}
