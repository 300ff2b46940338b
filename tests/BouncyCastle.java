/* BouncyCastle as the other side (tests/test_smime_java.py): one command a line on standard input, words with
 * tabs between; for each a line comes back, "ok" or what is wrong.
 *
 *   verify IN OUT                   IN: signed-data (DER); OUT: its content
 *   decrypt KEY CERTIFICATE IN OUT  IN: enveloped-data or authEnveloped-data
 *   sign ALGORITHM KEY CERTIFICATE IN OUT
 *   encrypt KIND CIPHER CERTIFICATE IN OUT      KIND: rsa, oaep, ecdh
 */
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.X509Certificate;
import java.security.spec.*;
import java.util.*;
import javax.crypto.spec.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.*;
import org.bouncycastle.openssl.jcajce.*;
import org.bouncycastle.operator.*;
import org.bouncycastle.operator.jcajce.*;

public class BouncyCastle {
	static Object pem(String path) throws Exception {
		try (PEMParser p = new PEMParser(new FileReader(path))) {
			return p.readObject();
		}
	}

	static PrivateKey key(String path) throws Exception {
		return new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) pem(path));
	}

	static X509CertificateHolder holder(String path) throws Exception {
		return (X509CertificateHolder) pem(path);
	}

	static X509Certificate certificate(String path) throws Exception {
		return new JcaX509CertificateConverter().setProvider("BC").getCertificate(holder(path));
	}

	static byte[] verify(byte[] in) throws Exception {
		CMSSignedData s = new CMSSignedData(in);
		for (SignerInformation one : s.getSignerInfos()) {
			Collection<?> found = s.getCertificates().getMatches(one.getSID());
			X509CertificateHolder c = (X509CertificateHolder) found.iterator().next();
			if (!one.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(c)))
				throw new CMSException("not verified");
		}
		return (byte[]) s.getSignedContent().getContent();
	}

	static byte[] decrypt(PrivateKey key, X509Certificate c, byte[] in) throws Exception {
		boolean auth = org.bouncycastle.asn1.cms.ContentInfo.getInstance(in).getContentType().equals(CMSObjectIdentifiers.authEnvelopedData);
		RecipientInformationStore all = auth ? new CMSAuthEnvelopedData(in).getRecipientInfos() : new CMSEnvelopedData(in).getRecipientInfos();
		RecipientInformation r = all.getRecipients().iterator().next();
		Recipient with = r instanceof KeyTransRecipientInformation ?
			(auth ? new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC") : new JceKeyTransEnvelopedRecipient(key).setProvider("BC")) :
			new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
		return r.getContent(with);
	}

	static byte[] sign(String algorithm, PrivateKey key, X509CertificateHolder c, byte[] in) throws Exception {
		CMSSignedDataGenerator g = new CMSSignedDataGenerator();
		ContentSigner signer = new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key);
		g.addSignerInfoGenerator(new JcaSignerInfoGeneratorBuilder(
			new JcaDigestCalculatorProviderBuilder().setProvider("BC").build()).build(signer, c));
		g.addCertificate(c);
		return g.generate(new CMSProcessableByteArray(in), true).getEncoded();
	}

	static RecipientInfoGenerator recipient(String kind, X509Certificate c) throws Exception {
		if (kind.equals("rsa"))
			return new JceKeyTransRecipientInfoGenerator(c).setProvider("BC");
		if (kind.equals("oaep"))
			return new JceKeyTransRecipientInfoGenerator(c, new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(
				PKCSObjectIdentifiers.id_RSAES_OAEP,
				new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT))).setProvider("BC");
		KeyPairGenerator g = KeyPairGenerator.getInstance("EC", "BC");
		g.initialize(((java.security.interfaces.ECPublicKey) c.getPublicKey()).getParams());
		KeyPair pair = g.generateKeyPair();
		return new JceKeyAgreeRecipientInfoGenerator(CMSAlgorithm.ECDH_SHA256KDF, pair.getPrivate(), pair.getPublic(),
			CMSAlgorithm.AES256_WRAP).addRecipient(c).setProvider("BC");
	}

	static byte[] encrypt(String kind, String cipher, X509Certificate c, byte[] in) throws Exception {
		boolean auth = cipher.endsWith("gcm");
		ASN1ObjectIdentifier oid = cipher.equals("aes128-gcm") ? CMSAlgorithm.AES128_GCM : auth ? CMSAlgorithm.AES256_GCM :
			cipher.equals("aes128-cbc") ? CMSAlgorithm.AES128_CBC : CMSAlgorithm.AES256_CBC;
		OutputEncryptor e = new JceCMSContentEncryptorBuilder(oid).setProvider("BC").build();
		if (!auth) {
			CMSEnvelopedDataGenerator g = new CMSEnvelopedDataGenerator();
			g.addRecipientInfoGenerator(recipient(kind, c));
			return g.generate(new CMSProcessableByteArray(in), e).getEncoded();
		}
		CMSAuthEnvelopedDataGenerator g = new CMSAuthEnvelopedDataGenerator();
		g.addRecipientInfoGenerator(recipient(kind, c));
		return g.generate(new CMSProcessableByteArray(in), (OutputAEADEncryptor) e).getEncoded();
	}

	static byte[] run(String[] w, byte[] in) throws Exception {
		switch (w[0]) {
		case "verify":
			return verify(in);
		case "decrypt":
			return decrypt(key(w[1]), certificate(w[2]), in);
		case "sign":
			return sign(w[1], key(w[2]), holder(w[3]), in);
		default:
			return encrypt(w[1], w[2], certificate(w[3]), in);
		}
	}

	public static void main(String[] args) throws Exception {
		Security.addProvider(new BouncyCastleProvider());
		BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = lines.readLine()) != null;) {
			String[] w = line.split("\t");
			String said = "ok";
			try {
				Files.write(Path.of(w[w.length - 1]), run(w, Files.readAllBytes(Path.of(w[w.length - 2]))));
			} catch (Exception e) {
				said = e.toString().replace("\n", " ");
			}
			System.out.println(said);
			System.out.flush();
		}
	}
}
