package org.elasticsearch.plugins;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.settings.Settings;

/** Takes plugins straight from the class path: there are no plugin folders and no module layers. */
public final class ClasspathPlugins extends PluginsService {
    private final List<LoadedPlugin> loaded = new ArrayList<>();

    public ClasspathPlugins(Settings settings, Path config, List<Class<? extends Plugin>> plugins) {
        super(settings, config, PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false));
        for (Class<? extends Plugin> plugin : plugins) {
            String name = plugin.getName();
            PluginDescriptor descriptor = new PluginDescriptor(
                name, "of the class path", "1", "0", "21", name, null,
                List.of(), false, false, false, false, PluginDescriptor.DeploymentTarget.ALL);
            loaded.add(new LoadedPlugin(
                descriptor, loadPlugin(plugin, settings, config), plugin.getClassLoader()));
        }
        loadExtensions(loaded);
    }

    @Override
    protected List<LoadedPlugin> plugins() {
        // The constructor above this one asks before there is a list.
        return loaded == null ? List.of() : loaded;
    }

    @Override
    public <T> List<? extends T> loadServiceProviders(Class<T> service) {
        return List.of();
    }
}
