// The payloads of the workloads, the same in every twin: lines, keys, bytes.
package fulmar.twin;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** Payloads. */
public final class Text {
    /** Words of each line of the generated text. */
    public static final int PER_LINE = 7;

    private Text() {}

    /** All lines of a file. */
    public static String[] lines(String path) {
        try {
            List<String> lines = Files.readAllLines(Path.of(path));
            return lines.toArray(new String[0]);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read the text", e);
        }
    }

    /** One of 10,000 keys. */
    public static long key(long n) {
        return (n * 0x9e3779b97f4a7c15L >>> 32) % 10_000;
    }

    /** 100 bytes, made for each tuple. */
    public static byte[] bytes(long n) {
        byte[] bytes = new byte[100];
        for (int i = 0; i < 8; i++) {
            bytes[i] = (byte) (n >>> 8 * i);
        }
        return bytes;
    }

    /** Each word of a line, in order. */
    public static void split(String line, Consumer<String> each) {
        int from = 0;
        for (int at = line.indexOf(' '); at >= 0; at = line.indexOf(' ', from)) {
            each.accept(line.substring(from, at));
            from = at + 1;
        }
        each.accept(line.substring(from));
    }
}
