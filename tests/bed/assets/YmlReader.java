import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.json.JsonXContent;

/** Prints, as JSON, what Elasticsearch's own loader reads in each file of a folder: setting to [as value, as list], or null. */
public final class YmlReader {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> answers = new TreeMap<>();
        try (var files = Files.list(Path.of(arguments[0]))) {
            for (Path file : files.toList()) {
                answers.put(file.getFileName().toString(), settings(file));
            }
        }
        try (XContentBuilder json = JsonXContent.contentBuilder()) {
            System.out.println(Strings.toString(json.map(answers)));
        }
    }

    private static Object settings(Path file) {
        Map<String, Object> found = new TreeMap<>();
        try {
            Settings settings = Settings.builder().loadFromPath(file).build();
            for (String key : settings.keySet()) {
                List<String> list = new ArrayList<>(settings.getAsList(key));
                found.put(key, List.of(settings.get(key), list));
            }
            return found;
        } catch (Exception refused) {
            return null;
        }
    }
}
