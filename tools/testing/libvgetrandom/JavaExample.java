// SPDX-License-Identifier: MIT

import java.security.ProviderException;
import java.security.SecureRandom;
import java.security.Security;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.HexFormat;

/**
 * What the example for Java promises, test by test: scripts/tests/java runs them.
 *
 * usage: JavaExample TEST
 */
public class JavaExample {
	static SecureRandom random() throws Exception
	{
		return SecureRandom.getInstance("vgetrandom", new VgetrandomProvider());
	}

	static void must(boolean condition, String what)
	{
		if (!condition)
			throw new AssertionError(what);
	}

	/** Each byte of each size is written. */
	static void sizes() throws Exception
	{
		SecureRandom random = random();

		for (int size : new int[] { 0, 1, 16, 257, 4095, 4096, 4097, 100000 }) {
			byte[] all = new byte[size];

			for (int i = 0; i < 16; i++) {
				byte[] bytes = new byte[size];

				random.nextBytes(bytes);
				for (int at = 0; at < size; at++)
					all[at] |= bytes[at];
			}
			for (int at = 0; at < size; at++)
				must(all[at] != 0, size + " bytes: byte " + at + " stays zero");
		}
		must(random.generateSeed(33).length == 33, "a seed is too short");
	}

	/** Threads with one object, and with one each, never get the same; a seed changes nothing. */
	static void threads() throws Exception
	{
		Set<String> seen = ConcurrentHashMap.newKeySet();
		SecureRandom shared = random();
		Thread[] threads = new Thread[8];
		Throwable[] failed = new Throwable[1];

		for (int t = 0; t < threads.length; t++) {
			SecureRandom own = t % 2 == 0 ? shared : random();

			threads[t] = new Thread(() -> {
				for (int i = 0; i < 5000; i++) {
					byte[] bytes = new byte[16];

					own.setSeed(1);
					own.nextBytes(bytes);
					must(seen.add(HexFormat.of().formatHex(bytes)), "16 bytes come twice");
				}
			});
			threads[t].setUncaughtExceptionHandler((thread, e) -> failed[0] = e);
			threads[t].start();
		}
		for (Thread thread : threads)
			thread.join();
		must(failed[0] == null, "a thread failed: " + failed[0]);
		must(seen.size() == 40000, "only " + seen.size() + " values");
	}

	/** Put in first, it is what a program gets that does not ask for it. */
	static void first() throws Exception
	{
		must(!new SecureRandom().getAlgorithm().equals("vgetrandom"), "it is there before");
		Security.insertProviderAt(new VgetrandomProvider(), 1);
		must(new SecureRandom().getAlgorithm().equals("vgetrandom"), "it is not used");
	}

	/** With a library whose calls return 7 bytes at most, which are 0xa5. */
	static void shortCounts() throws Exception
	{
		byte[] bytes = new byte[5000];

		random().nextBytes(bytes);
		for (byte b : bytes)
			must(b == (byte)0xa5, "a byte is not the library's");
	}

	static void fails(String why, SecureRandom random)
	{
		try {
			(random == null ? random() : random).nextBytes(new byte[16]);
		} catch (ProviderException e) {
			must(e.getMessage().equals(why), "another reason: " + e.getMessage());
			return;
		} catch (Exception e) {
			// SecureRandom wraps what the constructor throws.
			Throwable cause = e;

			while (cause.getCause() != null)
				cause = cause.getCause();
			must(cause instanceof ProviderException && cause.getMessage().equals(why),
			     "another reason: " + cause);
			return;
		}
		throw new AssertionError("it does not fail");
	}

	public static void main(String[] arguments) throws Exception
	{
		switch (arguments[0]) {
		case "sizes" -> sizes();
		case "threads" -> threads();
		case "first" -> first();
		case "short" -> shortCounts();
		// With libraries that fail: always, and once the object is there.
		case "never" -> fails("vgetrandom() failed: errno 38", null);
		case "later" -> fails("vgetrandom() failed", random());
		default -> throw new AssertionError("unknown test");
		}
	}
}
